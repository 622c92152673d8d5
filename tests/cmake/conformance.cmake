# SPDX-License-Identifier: BSL-1.0
#
# Test docs/asyncio_conformance: each claim of tests/conformance/claims.txt has its test or its reason, each test there its
# claim, no gap is left, and docs/asyncio-conformance.md is what is made of the claims. As a script (-P, with ROOT): checks
# that; with -DUPDATE=ON writes the page first:
#
#   cmake -DROOT=. -DUPDATE=ON -P tests/cmake/conformance.cmake

if(NOT CMAKE_SCRIPT_MODE_FILE)
    add_test(NAME docs/asyncio_conformance
        COMMAND "${CMAKE_COMMAND}" "-DROOT=${PROJECT_SOURCE_DIR}" -P "${CMAKE_CURRENT_LIST_FILE}")
    set_tests_properties(docs/asyncio_conformance PROPERTIES LABELS docs TIMEOUT ${COIR_TEST_TIMEOUT})
    return()
endif()

cmake_minimum_required(VERSION 3.25)

get_filename_component(ROOT "${ROOT}" ABSOLUTE)
set(claims_file tests/conformance/claims.txt)
set(page_file docs/asyncio-conformance.md)

# --- the tests there are: test_<suite>/<id> is the file of each -----------------------------------------------------------
set(tests "")
file(GLOB sources RELATIVE "${ROOT}" "${ROOT}/tests/conformance/*_test.cpp")
list(SORT sources)
set(test "\n(TEST|COIR_CONFORMS[A-Z_]*)\\(([a-z_]+),[ \n]*([a-z0-9_]+)\\)")
foreach(source IN LISTS sources)
    file(READ "${ROOT}/${source}" text)
    string(REGEX MATCHALL "${test}" found "${text}")
    foreach(match IN LISTS found)
        string(REGEX MATCH "${test}" match "${match}")
        set(suite "${CMAKE_MATCH_2}")
        string(REPLACE "_" "-" id "${CMAKE_MATCH_3}")
        list(APPEND tests "${suite}/${id}")
        set("test_${suite}/${id}" "${source}")
    endforeach()
endforeach()

# --- the claims, and the page that is made of them ------------------------------------------------------------------------
set(claims "")
set(rows "")
set(suite "")
set(references "")
foreach(status IN ITEMS tested deviation not_applicable same_as gap)
    set(n_${status} 0)
endforeach()
set(n_deviation_tested 0)
set(gaps "")

file(READ "${ROOT}/${claims_file}" rest)
while(NOT rest STREQUAL "")
    string(FIND "${rest}" "\n" end)
    if(end EQUAL -1)
        message(FATAL_ERROR "${claims_file} does not end with a new line")
    endif()
    string(SUBSTRING "${rest}" 0 ${end} line)
    math(EXPR end "${end} + 1")
    string(SUBSTRING "${rest}" ${end} -1 rest)

    if(line STREQUAL "" OR line MATCHES "^#")
        continue()
    endif()
    if(line MATCHES "^== ([a-z_]+): ([^|]+)$")
        set(suite "${CMAKE_MATCH_1}")
        string(APPEND rows "\n## ${CMAKE_MATCH_2}\n\n| | asyncio | coir |\n|---|---|---|\n")
        continue()
    endif()
    if(suite STREQUAL "" OR NOT line MATCHES "^([a-z0-9-]+) [|] ([^|]+) [|] ([^|]+)$")
        message(SEND_ERROR "${claims_file}: not `<id> | <status> | <text>`: ${line}")
        continue()
    endif()
    set(id "${CMAKE_MATCH_1}")
    set(status "${CMAKE_MATCH_2}")
    set(text "${CMAKE_MATCH_3}")
    set(claim "${suite}/${id}")
    if(claim IN_LIST claims)
        message(SEND_ERROR "${claims_file}: ${claim} stands there twice")
    endif()
    list(APPEND claims "${claim}")

    set(name "${id}")
    if(claim IN_LIST tests)
        set(name "[${id}](../${test_${claim}})")
    endif()
    if(status STREQUAL "tested")
        math(EXPR n_tested "${n_tested} + 1")
        set(coir "the same")
        if(NOT claim IN_LIST tests)
            message(SEND_ERROR "${claims_file}: ${claim} has neither a test nor a reason")
        endif()
    elseif(status MATCHES "^deviation: (.+)$")
        math(EXPR n_deviation "${n_deviation} + 1")
        set(coir "**deviation:** ${CMAKE_MATCH_1}")
        if(claim IN_LIST tests)
            math(EXPR n_deviation_tested "${n_deviation_tested} + 1")
        endif()
    else()
        if(status MATCHES "^not applicable: (.+)$")
            math(EXPR n_not_applicable "${n_not_applicable} + 1")
            set(coir "not applicable: ${CMAKE_MATCH_1}")
        elseif(status MATCHES "^same as: ([a-z_]+/[a-z0-9-]+)$")
            math(EXPR n_same_as "${n_same_as} + 1")
            set(coir "see ${CMAKE_MATCH_1}")
            list(APPEND references "${CMAKE_MATCH_1}")
        elseif(status MATCHES "^gap: (.+)$")
            math(EXPR n_gap "${n_gap} + 1")
            set(coir "**missing:** ${CMAKE_MATCH_1}")
            string(APPEND gaps "\n  ${claim}: ${text}\n    coir: ${CMAKE_MATCH_1}")
        else()
            message(SEND_ERROR "${claims_file}: ${claim} has no such status: ${status}")
        endif()
        if(claim IN_LIST tests)
            message(SEND_ERROR "${claims_file}: ${claim} has a test, and yet is called `${status}`")
        endif()
    endif()
    string(APPEND rows "| ${name} | ${text} | ${coir} |\n")
endwhile()

foreach(test IN LISTS tests)
    if(NOT test IN_LIST claims)
        message(SEND_ERROR "${test_${test}}: ${test} tests a claim that is not in ${claims_file}")
    endif()
endforeach()
foreach(reference IN LISTS references)
    if(NOT reference IN_LIST claims)
        message(SEND_ERROR "${claims_file}: there is no claim ${reference}, to which another one refers")
    endif()
endforeach()

list(LENGTH claims n_claims)
set(page "# What asyncio does, claim by claim

<!-- Made from ${claims_file} by tests/cmake/conformance.cmake, which says how. -->

Each claim with a link has a test there. Those about tasks run with one worker, with four and with several seeds
([testing.md](testing.md)), those about executors on a plain thread too. Where coir does something else, its reason stands here, and its test says what that is.

${n_claims} claims: ${n_tested} the same; ${n_deviation} deviations, ${n_deviation_tested} of them with a test; \
${n_not_applicable} not applicable; ${n_same_as} said elsewhere; ${n_gap} missing.
${rows}")

if(UPDATE)
    file(WRITE "${ROOT}/${page_file}" "${page}")
endif()
set(committed "")
if(EXISTS "${ROOT}/${page_file}")
    file(READ "${ROOT}/${page_file}" committed)
endif()
if(NOT committed STREQUAL page)
    message(SEND_ERROR "${page_file} is not what ${claims_file} says. "
        "To write it anew: cmake -DROOT=. -DUPDATE=ON -P tests/cmake/conformance.cmake")
endif()
if(n_gap GREATER 0)
    message(SEND_ERROR "${claims_file}: ${n_gap} gaps:${gaps}")
endif()
message(STATUS "${n_claims} claims: ${n_tested} tested, ${n_deviation} deviations (${n_deviation_tested} tested), "
    "${n_not_applicable} not applicable, ${n_same_as} said elsewhere, ${n_gap} gaps")
