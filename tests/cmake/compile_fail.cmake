# SPDX-License-Identifier: BSL-1.0
#
# tests/compile_fail: one wrong use of the library a file, which the compiler must refuse with a first error that says what
# is wrong, the text behind `// expect: ` in the file. Test compile_fail/<file>. Checked for each compiler once: sanitizers
# and link-time optimisation change nothing about it.

if(COIR_SANITIZE OR CMAKE_INTERPROCEDURAL_OPTIMIZATION)
    return()
endif()

file(GLOB misuses CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/compile_fail/*.cpp")
foreach(source IN LISTS misuses)
    get_filename_component(name "${source}" NAME_WE)
    add_test(NAME compile_fail/${name}
        COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/cmake/refused" "${source}"
            "${CMAKE_CXX_COMPILER}" -std=c++20 -I "${PROJECT_BINARY_DIR}/include")
    set_tests_properties(compile_fail/${name} PROPERTIES LABELS compile_fail TIMEOUT ${COIR_TEST_TIMEOUT})
endforeach()
