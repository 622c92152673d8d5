# SPDX-License-Identifier: BSL-1.0
#
# Every tests/fuzz/<name>_fuzz.cpp is a target coir_fuzz_<name>. With Clang it is libFuzzer's, and the test fuzz/<name>
# runs it on the committed inputs in tests/fuzz/<name>/ and on some thousand that it makes of them; `./dev fuzz` looks for
# more. With other compilers the test replays the committed inputs.
#
# tests/fuzz/<name>.cmake names, as `sources`, the library's sources of the parser: they are built with the fuzzer's
# instrumentation, so that it sees what it reaches. And as `measured` the files whose lines the committed inputs should
# reach, if these are others; coir_fuzz_<name>_coverage, which `./dev fuzz` builds, counts them.

set(COIR_FUZZ_RUNS 20000 CACHE STRING "How many inputs a test of a fuzz target makes")

file(GLOB fuzz_targets CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/fuzz" "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.cpp")
foreach(file IN LISTS fuzz_targets)
    string(REGEX REPLACE "_fuzz\\.cpp$" "" name "${file}")
    set(sources "")
    set(measured "")
    include("${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}.cmake" OPTIONAL)
    if(NOT measured)
        set(measured ${sources})
    endif()
    list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/")
    set(target coir_fuzz_${name})
    add_executable(${target} "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${file}" ${sources})
    coir_target_defaults(${target})
    coir_link_everything(${target})
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT COIR_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer,address)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer,address)

        add_executable(${target}_coverage EXCLUDE_FROM_ALL
            "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${file}" "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay.cpp" ${sources})
        coir_target_defaults(${target}_coverage)
        coir_link_everything(${target}_coverage)
        target_include_directories(${target}_coverage PRIVATE "${PROJECT_SOURCE_DIR}")
        target_compile_options(${target}_coverage PRIVATE -O1 -fprofile-instr-generate -fcoverage-mapping)
        target_link_options(${target}_coverage PRIVATE -fprofile-instr-generate)
        string(REPLACE ";" "\n" lines "${measured}")
        file(WRITE "${CMAKE_CURRENT_BINARY_DIR}/fuzz/${name}.measured" "${lines}\n")
    else()
        target_sources(${target} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/replay.cpp")
    endif()
    # A folder for what it finds comes first; the committed one is only read.
    set(found "${CMAKE_CURRENT_BINARY_DIR}/fuzz/${name}")
    file(MAKE_DIRECTORY "${found}")
    add_test(NAME fuzz/${name}
        COMMAND ${target} -runs=${COIR_FUZZ_RUNS} -seed=1 -max_len=4096 "${found}" "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}")
    set_tests_properties(fuzz/${name} PROPERTIES LABELS fuzz TIMEOUT 180)
endforeach()
