# SPDX-License-Identifier: BSL-1.0
#
# Test docs/from_asyncio: each C++ block of docs/from-asyncio.md stands in one of the sources of examples/asyncio, which are
# built and run. As a script (-P, with ROOT): does that.

if(NOT CMAKE_SCRIPT_MODE_FILE)
    add_test(NAME docs/from_asyncio
        COMMAND "${CMAKE_COMMAND}" "-DROOT=${PROJECT_SOURCE_DIR}" -P "${CMAKE_CURRENT_LIST_FILE}")
    set_tests_properties(docs/from_asyncio PROPERTIES LABELS docs TIMEOUT ${COIR_TEST_TIMEOUT})
    return()
endif()

cmake_minimum_required(VERSION 3.25)

set(examples "")
file(GLOB sources "${ROOT}/examples/asyncio/*.cpp")
foreach(source IN LISTS sources)
    file(READ "${source}" text)
    string(APPEND examples "${text}")
endforeach()

file(READ "${ROOT}/docs/from-asyncio.md" rest)
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
        message(SEND_ERROR "docs/from-asyncio.md: this block is in no source of examples/asyncio:\n${block}")
    endif()
endwhile()
if(blocks EQUAL 0)
    message(FATAL_ERROR "docs/from-asyncio.md has no C++ block")
endif()
message(STATUS "${blocks} blocks, ${strangers} of them are in no example")
