# What `cmake --install` puts beside the binaries.
include(GNUInstallDirs)
configure_file(${CMAKE_CURRENT_LIST_DIR}/skep.service.in ${CMAKE_BINARY_DIR}/skep.service @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/skep.service DESTINATION lib/systemd/system)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/skep.1 ${CMAKE_CURRENT_LIST_DIR}/skepctl.1
        DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/skep.conf DESTINATION ${CMAKE_INSTALL_SYSCONFDIR}/skep OPTIONAL)
