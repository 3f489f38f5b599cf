# The processes as threads: what ThreadSanitizer can see.
add_executable(threads_table ${CMAKE_CURRENT_LIST_DIR}/threads_table.c ${CMAKE_SOURCE_DIR}/tests/crash/keyspace.c)
target_link_libraries(threads_table skep_shm pthread)
add_test(NAME unit/threads_table COMMAND threads_table --seconds 3)
set_tests_properties(unit/threads_table PROPERTIES LABELS unit TIMEOUT 120)
