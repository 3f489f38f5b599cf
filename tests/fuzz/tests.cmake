# Every tests/fuzz/fuzz_*.c is one program; here it runs for a few seconds, by hand for as long as --seconds says.
file(GLOB FUZZ_SRC CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.c)
foreach(src ${FUZZ_SRC})
  get_filename_component(name ${src} NAME_WE)
  add_executable(${name} ${src})
  target_link_libraries(${name} ${SKEP_LIBS})
  add_test(NAME fuzz/${name} COMMAND ${name} --seconds 5)
  set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 120)
endforeach()
