# What kills processes in the middle of their work, and looks at what they leave behind.
set(CRASH_LIB ${CMAKE_CURRENT_LIST_DIR}/keyspace.c ${CMAKE_CURRENT_LIST_DIR}/crash_ops.c
    ${CMAKE_CURRENT_LIST_DIR}/snap_ops.c ${CMAKE_CURRENT_LIST_DIR}/dict_ops.c ${CMAKE_CURRENT_LIST_DIR}/list_ops.c
    ${CMAKE_CURRENT_LIST_DIR}/exec_ops.c ${CMAKE_CURRENT_LIST_DIR}/zset_ops.c ${CMAKE_CURRENT_LIST_DIR}/pubsub_ops.c
    ${CMAKE_CURRENT_LIST_DIR}/library_ops.c
    ${CMAKE_CURRENT_LIST_DIR}/track_ops.c)

function(crash_test name seconds)
  add_executable(${name} ${CMAKE_SOURCE_DIR}/tests/crash/${name}.c ${CRASH_LIB})
  target_link_libraries(${name} skep_shm pthread)
  add_test(NAME crash/${name} COMMAND ${name} ${ARGN})
  set_tests_properties(crash/${name} PROPERTIES LABELS crash TIMEOUT ${seconds})
  if(SKEP_SANITIZE) # they fork many thousand times, and a fork takes the longer the more freed memory is kept
    set_tests_properties(crash/${name} PROPERTIES ENVIRONMENT ASAN_OPTIONS=quarantine_size_mb=1)
  endif()
endfunction()

if(SKEP_DEBUG) # the named crash points are compiled into test builds alone
  crash_test(crash_points 1200)
endif()
crash_test(single_step 900)
target_link_options(single_step PRIVATE -Wl,-z,now) # or the steps count the dynamic linker's work
crash_test(random_kill 300 --seconds 8)

# A disk that fails as a file says, for whoever preloads it.
add_library(faulty_disk MODULE ${CMAKE_CURRENT_LIST_DIR}/faulty_disk.c)
target_link_libraries(faulty_disk ${CMAKE_DL_LIBS})

# The log's writer by itself.
if(TARGET skep_persist AND NOT SKEP_SANITIZE AND NOT SKEP_TSAN) # a preloaded library must not come before theirs
  add_executable(wal_writer ${CMAKE_CURRENT_LIST_DIR}/wal_writer.c)
  target_link_libraries(wal_writer skep_persist pthread)
  foreach(scenario plain kills grows orphan full limited sync closed begins locked)
    add_test(NAME crash/wal_writer_${scenario} COMMAND wal_writer ${scenario} --shim $<TARGET_FILE:faulty_disk>)
    set_tests_properties(crash/wal_writer_${scenario} PROPERTIES LABELS crash TIMEOUT 300)
  endforeach()
endif()

# Whole servers whose processes are killed, stopped, replaced and upgraded.
if(TARGET skep)
  # The same source with another version string, and one whose arena has another layout.
  file(GLOB_RECURSE versioned ${CMAKE_SOURCE_DIR}/worker/commands/info.c)
  add_executable(skep_next ${CMAKE_SOURCE_DIR}/master/main.c ${versioned})
  target_compile_options(skep_next PRIVATE -USKEP_VERSION "-DSKEP_VERSION=\"${SKEP_VERSION}-next\"")
  target_link_libraries(skep_next ${SKEP_LIBS})
  add_executable(skep_other_layout ${CMAKE_SOURCE_DIR}/master/main.c ${CMAKE_SOURCE_DIR}/shm/arena.c)
  target_compile_definitions(skep_other_layout PRIVATE SHM_LAYOUT=99u)
  target_link_libraries(skep_other_layout ${SKEP_LIBS})

  function(server_test script scenario)
    add_test(NAME crash/${script}_${scenario}
             COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/crash/${script}.py ${scenario} $<TARGET_FILE:skep> ${ARGN})
    set_tests_properties(crash/${script}_${scenario} PROPERTIES LABELS crash TIMEOUT 300)
  endfunction()
  foreach(scenario kills bystanders)
    server_test(sessions ${scenario})
  endforeach()
  foreach(scenario even alone)
    server_test(balance ${scenario})
  endforeach()
  foreach(scenario master lane repairer hangs backoff rebuild)
    server_test(deaths ${scenario})
  endforeach()
  foreach(scenario shared killed sorted_shared sorted_killed order moved refused follows follows_killed acks)
    server_test(blocking ${scenario})
  endforeach()
  foreach(scenario crowded broken moved ended full flushed)
    server_test(slow_lane ${scenario})
  endforeach()
  foreach(scenario reopened crowded addresses refused_late reloaded asleep watched watched_leaving watched_moving)
    server_test(talk ${scenario})
  endforeach()
  foreach(scenario order killed slow stopped moved moved_slowly moved_killed)
    server_test(pubsub ${scenario})
  endforeach()
  foreach(scenario order expired moved killed full watched watched_long)
    server_test(events ${scenario})
  endforeach()
  foreach(scenario shared killed untold moved slow)
    server_test(tracking ${scenario})
  endforeach()
  foreach(scenario whole broken full)
    server_test(long_requests ${scenario})
  endforeach()
  foreach(scenario restart snapshots save_points flushed refused damaged loading waiting aborted writer master drained everybody snapshotter loader rebuilt moved switched switched_whole closed owed let_go unnamed together databases
          no_log replaced upgraded reload reload_fails written_over reload_counts reload_ended rewrite_alone rewrite_shrinks)
    server_test(persist ${scenario})
  endforeach()
  foreach(scenario lasting reload both_ways replaced killed called)
    server_test(functions ${scenario})
  endforeach()
  foreach(scenario saves bases)
    server_test(moment ${scenario})
  endforeach()
  if(NOT SKEP_SANITIZE AND NOT SKEP_TSAN) # as above
    foreach(scenario save save_killed rewrite rewrite_killed)
      server_test(interrupted ${scenario} $<TARGET_FILE:faulty_disk>)
    endforeach()
    foreach(scenario sync full base rename reload waitaof paused)
      server_test(disk ${scenario} $<TARGET_FILE:faulty_disk>)
    endforeach()
  endif()
  foreach(scenario full read_only rights)
    server_test(filesystem ${scenario})
    set_tests_properties(crash/filesystem_${scenario} PROPERTIES SKIP_RETURN_CODE 77)
  endforeach()
  server_test(upgrade rolling)
  foreach(scenario upgrade refused)
    server_test(upgrade ${scenario} $<TARGET_FILE:skep_next> $<TARGET_FILE:skep_other_layout>)
  endforeach()
  foreach(scenario cut turned)
    server_test(torn ${scenario})
  endforeach()
  # Bounded here; by hand for as long as you like.
  foreach(seed 1 100)
    add_test(NAME crash/torture_${seed} COMMAND python3 ${CMAKE_SOURCE_DIR}/tests/crash/torture.py $<TARGET_FILE:skep>
                                                --seconds 15 --seed ${seed})
    set_tests_properties(crash/torture_${seed} PROPERTIES LABELS crash TIMEOUT 400)
  endforeach()
  server_test(second_instance second_instance)
  foreach(scenario acknowledged told imported reloaded refused everysec written)
    server_test(recovery ${scenario})
  endforeach()
  foreach(scenario kills counted moved bound)
    server_test(bank ${scenario})
  endforeach()
  foreach(scenario kills long moved many ended beside untaken taken patient spared gated rolled ended_within)
    server_test(scripts ${scenario})
  endforeach()
endif()

# Files of redis-server and of ours, sound, cut and damaged, into keyspaces.
if(TARGET skep)
  add_executable(load_dir ${CMAKE_CURRENT_LIST_DIR}/load_dir.c)
  target_link_libraries(load_dir ${SKEP_LIBS})
  foreach(scenario rdb rdb_types rdb_empty crowded crowded_types usage rdb_refused functions rdb_damaged twice multipart single scripts choice manifest aof_cut block_cut
                   aof_damaged surroundings full shares)
    add_test(NAME crash/load_${scenario} COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/load_files.py ${scenario}
                                                 $<TARGET_FILE:load_dir>)
    set_tests_properties(crash/load_${scenario} PROPERTIES LABELS crash TIMEOUT 300)
  endforeach()
  add_executable(make_wal ${CMAKE_CURRENT_LIST_DIR}/make_wal.c)
  target_link_libraries(make_wal ${SKEP_LIBS})
  foreach(scenario chain order alone torn damaged pieces crossing)
    add_test(NAME crash/load_log_${scenario} COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/load_log.py ${scenario}
                                                     $<TARGET_FILE:load_dir> $<TARGET_FILE:make_wal>)
    set_tests_properties(crash/load_log_${scenario} PROPERTIES LABELS crash TIMEOUT 300)
  endforeach()
  foreach(scenario sound torn damaged gone dump locked)
    add_test(NAME crash/wal_tool_${scenario}
             COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/wal_tool.py ${scenario} $<TARGET_FILE:load_dir>
                     $<TARGET_FILE:make_wal> $<TARGET_FILE:skepctl>)
    set_tests_properties(crash/wal_tool_${scenario} PROPERTIES LABELS crash TIMEOUT 300)
  endforeach()
endif()
