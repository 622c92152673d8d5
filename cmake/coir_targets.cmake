# SPDX-License-Identifier: BSL-1.0

# Sets ${out_var} to the files that match the patterns, folders below included, as paths from the root.
function(coir_sources out_var)
    list(TRANSFORM ARGN PREPEND "${PROJECT_SOURCE_DIR}/" OUTPUT_VARIABLE patterns)
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" ${patterns})
    set(${out_var} "${sources}" PARENT_SCOPE)
endfunction()

# Language level and warnings, for a library, test, bench or example of this project.
function(coir_target_defaults target)
    target_compile_features(${target} PUBLIC cxx_std_20)
    set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:${COIR_WARNINGS}>)
    # A frame larger than the guard must hit the guard, not the stack below it.
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fstack-clash-protection>)
endfunction()

# A library of this project: coir_add_library(net sources...) makes coir_net, known to users as coir::net.
# `coir` itself is coir::coir.
function(coir_add_library name)
    set(target coir_${name})
    if(name STREQUAL "coir")
        set(target coir)
    endif()
    add_library(${target} ${ARGN})
    add_library(coir::${name} ALIAS ${target})
    coir_target_defaults(${target})
    target_include_directories(${target}
        PUBLIC
            $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
        PRIVATE
            "${PROJECT_SOURCE_DIR}")
    set_target_properties(${target} PROPERTIES
        EXPORT_NAME ${name}
        VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
    set_property(GLOBAL APPEND PROPERTY COIR_LIBRARIES ${name})
endfunction()

# Compiles so many sources as one: most of what a small source costs is the headers.
function(coir_compile_in_batches target size)
    if(size GREATER 1)
        set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${size})
        if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
            # It takes a source that is included for a header, and its unnamed namespace for one that several sources share.
            target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
        endif()
    endif()
endfunction()

# Links a test, bench or example against every library of this project that is built, and lets it see private headers.
function(coir_link_everything target)
    get_property(libraries GLOBAL PROPERTY COIR_LIBRARIES)
    list(TRANSFORM libraries PREPEND coir::)
    target_link_libraries(${target} PRIVATE ${libraries})
endfunction()
