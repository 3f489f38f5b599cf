# What kills processes in the middle of their work, and looks at what they leave behind.
set(CRASH_LIB ${CMAKE_CURRENT_LIST_DIR}/keyspace.c ${CMAKE_CURRENT_LIST_DIR}/crash_ops.c)

function(crash_test name seconds)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/crash/${name}.c ${CRASH_LIB})
  target_link_libraries(${name} skep_shm pthread)
  add_test(NAME crash/${name} COMMAND ${name} ${ARGN})
  set_tests_properties(crash/${name} PROPERTIES LABELS crash TIMEOUT ${seconds})
endfunction()

if(SKEP_DEBUG) # the named crash points are compiled into test builds alone
  crash_test(crash_points 300)
endif()
crash_test(single_step 400)
target_link_options(single_step PRIVATE -Wl,-z,now) # or the steps count the dynamic linker's work
crash_test(random_kill 120 --seconds 8)
