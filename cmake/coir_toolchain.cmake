# SPDX-License-Identifier: BSL-1.0
#
# What holds for every target of this project when it is built for its own sake. As a subproject it sets nothing global.

if(PROJECT_IS_TOP_LEVEL)
    get_property(multi_config GLOBAL PROPERTY GENERATOR_IS_MULTI_CONFIG)
    if(NOT multi_config AND NOT CMAKE_BUILD_TYPE)
        set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
    endif()
    set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

    find_program(COIR_CCACHE ccache)
    mark_as_advanced(COIR_CCACHE)
    if(COIR_CCACHE)
        foreach(language C CXX)
            if(NOT CMAKE_${language}_COMPILER_LAUNCHER)
                set(CMAKE_${language}_COMPILER_LAUNCHER "${COIR_CCACHE}")
            endif()
        endforeach()
    endif()

    # For the whole tree: mixing sanitized and plain translation units hides errors and invents others.
    if(COIR_SANITIZE)
        add_compile_options(-fsanitize=${COIR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
        # What AddressSanitizer finds too: an access through null by its signal, beyond an object by the shadow, to an
        # object that has ended as use after free or scope. Checks of their own triple the time to compile.
        add_compile_options(-fno-sanitize=null,object-size,vptr)
        add_link_options(-fsanitize=${COIR_SANITIZE})
    endif()
endif()

# Release builds leave the frame pointer to the compiler: the distribution's own libraries have none either, so a
# profiler needs DWARF unwinding in any case, and the register is worth having in the scheduler. The dev and sanitizer
# presets keep it, for cheap and whole stack traces.

set(COIR_WARNINGS
    -Wall
    -Wextra
    -Wpedantic
    -Wshadow
    -Wconversion
    -Wnon-virtual-dtor)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Instrumentation and -O1 defeat the analysis behind this one: it fires inside the standard library.
    list(APPEND COIR_WARNINGS $<$<CONFIG:Debug>:-Wno-maybe-uninitialized>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # Wrong about std::string's operator+ (GCC bug 105651).
    list(APPEND COIR_WARNINGS -Wno-restrict)
endif()
if(COIR_WERROR)
    list(APPEND COIR_WARNINGS -Werror)
endif()
