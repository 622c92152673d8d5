# SPDX-License-Identifier: BSL-1.0
#
# Each C++ block of README.md is a whole program, built and run here as test docs/readme_<n>: what the first page shows
# must work.

set(readme "${PROJECT_SOURCE_DIR}/README.md")
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${readme}")
file(READ "${readme}" rest)
set(number 0)
while(rest MATCHES "\n```cpp\n([^`]*)```")
    set(program "${CMAKE_MATCH_1}")
    string(FIND "${rest}" "${CMAKE_MATCH_0}" begin)
    string(LENGTH "${CMAKE_MATCH_0}" length)
    math(EXPR begin "${begin} + ${length}")
    string(SUBSTRING "${rest}" ${begin} -1 rest)

    math(EXPR number "${number} + 1")
    set(source "${CMAKE_CURRENT_BINARY_DIR}/readme_${number}.cpp")
    file(CONFIGURE OUTPUT "${source}" CONTENT "@program@" @ONLY)
    set(target coir_readme_${number})
    add_executable(${target} "${source}")
    coir_target_defaults(${target})
    coir_link_everything(${target})
    add_test(NAME docs/readme_${number} COMMAND ${target})
    set_tests_properties(docs/readme_${number} PROPERTIES LABELS docs TIMEOUT ${COIR_TEST_TIMEOUT})
endwhile()
if(number EQUAL 0)
    message(FATAL_ERROR "README.md has no C++ block that could be built")
endif()
