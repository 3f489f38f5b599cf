# Every tests/isolation/specs/NAME.spec is one test, run against two workers.
if(TARGET skep)
  file(GLOB specs CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/specs/*.spec)
  foreach(spec ${specs})
    get_filename_component(name ${spec} NAME_WE)
    add_test(NAME isolation/${name}
             COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/isolation.py --limit 280
                     --server "$<TARGET_FILE:skep> --workers 2" ${name})
    set_tests_properties(isolation/${name} PROPERTIES LABELS isolation TIMEOUT 300)
  endforeach()
endif()
