# SPDX-License-Identifier: BSL-1.0
#
# Each library is exported on its own, so that a user of coir::coir need not have what coir::compute stands on.

include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/coir")

coir_public_headers(public_headers)
foreach(header IN LISTS public_headers)
    get_filename_component(folder "${header}" DIRECTORY)
    install(FILES "${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/coir/${folder}")
endforeach()

get_property(libraries GLOBAL PROPERTY COIR_LIBRARIES)
foreach(name IN LISTS libraries)
    get_target_property(target coir::${name} ALIASED_TARGET)
    install(TARGETS ${target} EXPORT coir_${name})
    install(EXPORT coir_${name} NAMESPACE coir:: DESTINATION "${package_dir}" FILE coir-${name}.cmake)
endforeach()

configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/coir-config.cmake.in"
    "${PROJECT_BINARY_DIR}/coir-config.cmake"
    INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/coir-config-version.cmake"
    COMPATIBILITY SameMinorVersion)
install(
    FILES
        "${PROJECT_BINARY_DIR}/coir-config.cmake"
        "${PROJECT_BINARY_DIR}/coir-config-version.cmake"
    DESTINATION "${package_dir}")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
