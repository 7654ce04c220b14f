# Install rules and the exported Mercer:: package.
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/MercerConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
configure_package_config_file(
  ${CMAKE_SOURCE_DIR}/tools/cmake/MercerConfig.cmake.in
  ${CMAKE_BINARY_DIR}/MercerConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Mercer)
install(FILES ${CMAKE_BINARY_DIR}/MercerConfig.cmake
              ${CMAKE_BINARY_DIR}/MercerConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Mercer COMPONENT runtime)
get_property(exported GLOBAL PROPERTY MERCER_EXPORTED)
if(exported)
  install(EXPORT MercerTargets NAMESPACE Mercer::
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/Mercer COMPONENT runtime)
endif()
