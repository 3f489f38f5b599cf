# Every tests/fuzz/fuzz_*.c is one program: `fuzz_x --seconds N --seed N` feeds made-up bytes to a parser for a bounded time
# and exits 0, or aborts on what it found. CI runs a few seconds; by hand, run it for hours with other seeds.
file(GLOB fuzzers CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/fuzz_*.c)
foreach(src ${fuzzers})
  get_filename_component(name ${src} NAME_WE)
  add_executable(${name} ${src})
  target_link_libraries(${name} ${SKEP_LIBS})
  add_test(NAME fuzz/${name} COMMAND ${name} --seconds 3 --seed 1)
  set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 300)
endforeach()
