# Client libraries as Debian packages them, each against two workers. A library that is missing fails its test with words:
# a silent pass would hide that nothing was tried.
if(TARGET skep)
  set(compat python3 ${CMAKE_CURRENT_LIST_DIR}/compat.py --server "$<TARGET_FILE:skep> --workers 2")

  # Debian's own interpreter sees Debian's python3-redis; another one in PATH would not.
  add_test(NAME compat/redis_py COMMAND ${compat} /usr/bin/python3 ${CMAKE_CURRENT_LIST_DIR}/client_redis_py.py)
  add_test(NAME compat/node_redis
           COMMAND ${compat} sh -c
                   "NODE_PATH=/usr/share/nodejs:/usr/lib/nodejs exec node ${CMAKE_CURRENT_LIST_DIR}/client_node.js")
  set(names compat/redis_py compat/node_redis)

  find_path(HIREDIS_INCLUDE hiredis/hiredis.h)
  find_library(HIREDIS_LIB hiredis)
  if(HIREDIS_INCLUDE AND HIREDIS_LIB)
    add_executable(client_hiredis ${CMAKE_CURRENT_LIST_DIR}/client_hiredis.c)
    target_link_libraries(client_hiredis ${HIREDIS_LIB})
    add_test(NAME compat/hiredis COMMAND ${compat} $<TARGET_FILE:client_hiredis>)
  else()
    add_test(NAME compat/hiredis
             COMMAND sh -c "echo 'libhiredis-dev is missing: apt-get install libhiredis-dev, then run cmake again'; exit 1")
  endif()
  list(APPEND names compat/hiredis)
  set_tests_properties(${names} PROPERTIES LABELS compat TIMEOUT 300)
endif()

# Beside a real redis-server: no bytes of ours may differ from its own, and each must read the other's.
if(TARGET skep)
  function(both_test name script)
    add_test(NAME compat/${name} COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/${script}.py
                                         --server "$<TARGET_FILE:skep> --workers 2" ${ARGN})
    set_tests_properties(compat/${name} PROPERTIES LABELS compat TIMEOUT 300)
  endfunction()
  foreach(script dump_both types_both bits_both events_both)
    both_test(${script} ${script})
  endforeach()
  both_test(streams_both streams_both --seed 20261121)
  both_test(streams_both_encodings streams_both --seed 7 --only SORTED,HASHES,STRINGS)
  both_test(lane_both lane_both --seed 20261121 --rounds 10)
  foreach(workers 1 3)
    add_test(NAME compat/tracking_both_${workers}
             COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/tracking_both.py
                     --server "$<TARGET_FILE:skep> --workers ${workers}" --seed 20261121)
    set_tests_properties(compat/tracking_both_${workers} PROPERTIES LABELS compat TIMEOUT 300)
  endforeach()
endif()
add_executable(rdb_file ${CMAKE_CURRENT_LIST_DIR}/rdb_file.c)
target_link_libraries(rdb_file ${SKEP_LIBS})
add_test(NAME compat/rdb_files
         COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/rdb_files.py --tool $<TARGET_FILE:rdb_file>)
set_tests_properties(compat/rdb_files PROPERTIES LABELS compat TIMEOUT 300)

if(TARGET skep)
  add_test(NAME compat/log_effects
           COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/log_effects.py --server "$<TARGET_FILE:skep> --workers 2" --skepctl
                   $<TARGET_FILE:skepctl> --seed 20261121)
  set_tests_properties(compat/log_effects PROPERTIES LABELS compat TIMEOUT 300)
endif()

if(TARGET skep)
  add_test(NAME compat/fields_expire
           COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/fields_expire.py --server "$<TARGET_FILE:skep> --workers 2" --seed 20261121)
  set_tests_properties(compat/fields_expire PROPERTIES LABELS compat TIMEOUT 300)
endif()

# Scripts: the state by itself, and in the server.
add_executable(lua_run ${CMAKE_CURRENT_LIST_DIR}/lua_run.c)
target_link_libraries(lua_run ${SKEP_LIBS})
add_test(NAME compat/lua_libraries
         COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/lua_both.py --tool $<TARGET_FILE:lua_run>)
set_tests_properties(compat/lua_libraries PROPERTIES LABELS compat TIMEOUT 300)
if(TARGET skep)
  add_test(NAME compat/lua_server
           COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/lua_both.py --server "$<TARGET_FILE:skep> --workers 2")
  set_tests_properties(compat/lua_server PROPERTIES LABELS compat TIMEOUT 300)
endif()

# What runs scripts in everyday life, from npm; npm/package.json has the exact versions. Where they cannot be installed the
# first of these fails with words, and the others are not run.
if(TARGET skep)
  set(npm ${CMAKE_CURRENT_LIST_DIR}/npm)
  set(npm_installed ${CMAKE_CURRENT_BINARY_DIR}/npm)
  add_test(NAME compat/npm_install COMMAND python3 ${npm}/install.py ${npm_installed})
  set_tests_properties(compat/npm_install PROPERTIES LABELS compat TIMEOUT 300 FIXTURES_SETUP npm COST 900)
  function(npm_test name)
    add_test(NAME compat/npm_${name} COMMAND ${compat} ${ARGN} node ${npm}/${name}.js)
    set_tests_properties(compat/npm_${name} PROPERTIES LABELS compat TIMEOUT 300 FIXTURES_REQUIRED npm
                         ENVIRONMENT NODE_PATH=${npm_installed}/node_modules)
  endfunction()
  foreach(name bee_queue bull bullmq_load ioredis rate_limiter redlock)
    npm_test(${name})
  endforeach()
  npm_test(bull_kill --kills 8)
endif()
