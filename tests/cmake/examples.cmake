# SPDX-License-Identifier: BSL-1.0
#
# An example with examples/<name>/expected.txt is run, and must end with status 0 and print exactly that. The tests in
# tests/examples start the others (servers and the like) themselves, from the folder COIR_EXAMPLES_DIR.

get_property(examples GLOBAL PROPERTY COIR_EXAMPLES)
foreach(name IN LISTS examples)
    get_property(target GLOBAL PROPERTY COIR_EXAMPLE_TARGET_${name})
    if(TARGET coir_tests_examples)
        add_dependencies(coir_tests_examples ${target})
    endif()
    set(expected "${PROJECT_SOURCE_DIR}/examples/${name}/expected.txt")
    if(EXISTS "${expected}")
        add_test(NAME examples/${name}
            COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/cmake/expect_output" "${expected}" $<TARGET_FILE:${target}>)
        set_tests_properties(examples/${name} PROPERTIES LABELS examples TIMEOUT ${COIR_TEST_TIMEOUT})
    endif()
endforeach()
if(TARGET coir_tests_examples)
    target_compile_definitions(coir_tests_examples PRIVATE COIR_EXAMPLES_DIR="${PROJECT_BINARY_DIR}/examples")
endif()
