# One test a habit; style.py says what each looks at.
foreach(check cards includes length format words readmes directives recorded)
  add_test(NAME style/${check} COMMAND python3 ${CMAKE_CURRENT_LIST_DIR}/style.py ${check})
  set_tests_properties(style/${check} PROPERTIES LABELS style TIMEOUT 300)
endforeach()
