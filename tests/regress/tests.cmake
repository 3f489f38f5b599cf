# Every tests/regress/sql/NAME.cmd is one test, run against two workers; start.py asks how the binary starts.
if(TARGET skep)
  file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/sql/*.cmd)
  foreach(script ${scripts})
    get_filename_component(name ${script} NAME_WE)
    add_test(NAME regress/${name}
             COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/regress.py --limit 280
                     --server "$<TARGET_FILE:skep> --workers 2" ${name})
    set_tests_properties(regress/${name} PROPERTIES LABELS regress TIMEOUT 300)
  endforeach()
  add_test(NAME regress/start COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/start.py $<TARGET_FILE:skep>)
  set_tests_properties(regress/start PROPERTIES LABELS regress TIMEOUT 300)
endif()
