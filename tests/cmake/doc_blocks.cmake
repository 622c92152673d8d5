# SPDX-License-Identifier: BSL-1.0
#
# Test docs/<page>: each C++ block of docs/<page>.md stands in one of the sources of the example that belongs to it, which are
# built and run. As a script (-P, with ROOT, PAGE and EXAMPLE): does that.

if(NOT CMAKE_SCRIPT_MODE_FILE)
    function(coir_check_blocks page example)
        add_test(NAME docs/${page}
            COMMAND "${CMAKE_COMMAND}" "-DROOT=${PROJECT_SOURCE_DIR}" "-DPAGE=docs/${page}.md"
                "-DEXAMPLE=examples/${example}" -P "${CMAKE_CURRENT_FUNCTION_LIST_FILE}")
        set_tests_properties(docs/${page} PROPERTIES LABELS docs TIMEOUT ${COIR_TEST_TIMEOUT})
    endfunction()
    coir_check_blocks(from-asyncio asyncio)
    coir_check_blocks(recipes recipes)
    coir_check_blocks(http recipes)
    return()
endif()

cmake_minimum_required(VERSION 3.25)

set(examples "")
file(GLOB sources "${ROOT}/${EXAMPLE}/*.cpp")
foreach(source IN LISTS sources)
    file(READ "${source}" text)
    string(APPEND examples "${text}")
endforeach()

file(READ "${ROOT}/${PAGE}" rest)
set(blocks 0)
set(strangers 0)
while(TRUE)
    string(FIND "${rest}" "\n```cpp\n" begin)
    if(begin EQUAL -1)
        break()
    endif()
    math(EXPR begin "${begin} + 8")
    string(SUBSTRING "${rest}" ${begin} -1 rest)
    string(FIND "${rest}" "\n```\n" length)
    string(SUBSTRING "${rest}" 0 ${length} block)
    math(EXPR blocks "${blocks} + 1")
    string(FIND "${examples}" "${block}" found)
    if(found EQUAL -1)
        math(EXPR strangers "${strangers} + 1")
        message(SEND_ERROR "${PAGE}: this block is in no source of ${EXAMPLE}:\n${block}")
    endif()
endwhile()
if(blocks EQUAL 0)
    message(FATAL_ERROR "${PAGE} has no C++ block")
endif()
message(STATUS "${blocks} blocks, ${strangers} of them are in no example")
