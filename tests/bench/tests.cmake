# Every tests/bench/bench_*.c is one program, to be run by hand: a timed test says nothing on a busy machine.
file(GLOB BENCH_SRC CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/bench_*.c)
foreach(src ${BENCH_SRC})
  get_filename_component(name ${src} NAME_WE)
  add_executable(${name} ${src})
  target_link_libraries(${name} ${SKEP_LIBS})
endforeach()
