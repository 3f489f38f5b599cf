# The processes as threads: what ThreadSanitizer can see.
add_executable(threads_table ${CMAKE_CURRENT_LIST_DIR}/threads_table.c ${CMAKE_SOURCE_DIR}/tests/crash/keyspace.c)
target_link_libraries(threads_table skep_shm pthread)
add_test(NAME unit/threads_table COMMAND threads_table --seconds 3)
set_tests_properties(unit/threads_table PROPERTIES LABELS unit TIMEOUT 300)

# A snapshot beside them: what it shows is compared with the keyspace at the cut.
add_executable(threads_snapshot ${CMAKE_CURRENT_LIST_DIR}/threads_snapshot.c ${CMAKE_SOURCE_DIR}/tests/crash/keyspace.c)
target_link_libraries(threads_snapshot skep_shm pthread)
add_test(NAME unit/threads_snapshot COMMAND threads_snapshot --seconds 5)
set_tests_properties(unit/threads_snapshot PROPERTIES LABELS unit TIMEOUT 300)

# Who caches what: a mark is seen by whoever changes what its owner then reads.
add_executable(threads_track ${CMAKE_CURRENT_LIST_DIR}/threads_track.c ${CMAKE_SOURCE_DIR}/tests/crash/keyspace.c)
target_link_libraries(threads_track skep_shm pthread)
add_test(NAME unit/threads_track COMMAND threads_track)
set_tests_properties(unit/threads_track PROPERTIES LABELS unit TIMEOUT 300)

# Two workers that accept at the same time.
add_executable(threads_session ${CMAKE_CURRENT_LIST_DIR}/threads_session.c)
target_link_libraries(threads_session skep_shm pthread)
add_test(NAME unit/threads_session COMMAND threads_session)
set_tests_properties(unit/threads_session PROPERTIES LABELS unit TIMEOUT 300)
