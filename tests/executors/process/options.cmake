# SPDX-License-Identifier: BSL-1.0
# Functions in a shared library, which the workers load as the program does.
add_library(coir_test_library SHARED "${CMAKE_CURRENT_LIST_DIR}/library/library.cpp")
coir_target_defaults(coir_test_library)
set(libraries coir_test_library dl)

# What cannot be sent must not compile, with a message that a person understands.
set(reasons
    "returns a reference, pointer or view"
    "returns a reference, pointer or view"
    "returns a reference, pointer or view"
    "takes a non-const lvalue reference"
    "takes a pointer"
    "takes a view of memory"
    "as many arguments as the function has parameters"
    "an argument does not convert")
set(number 0)
foreach(reason IN LISTS reasons)
    math(EXPR number "${number} + 1")
    add_test(NAME executors/process/refused.${number}
        COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -I "${PROJECT_BINARY_DIR}/include"
            -DCOIR_REFUSED=${number} "${CMAKE_CURRENT_LIST_DIR}/refused/refused.cpp")
    set_tests_properties(executors/process/refused.${number} PROPERTIES
        LABELS executors/process TIMEOUT ${timeout}
        PASS_REGULAR_EXPRESSION "coir::process_pool_executor: (the function )?${reason}")
endforeach()
# The same file compiles when nothing is wrong.
add_test(NAME executors/process/refused.nothing
    COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -I "${PROJECT_BINARY_DIR}/include"
        "${CMAKE_CURRENT_LIST_DIR}/refused/refused.cpp")
set_tests_properties(executors/process/refused.nothing PROPERTIES LABELS executors/process TIMEOUT ${timeout})
