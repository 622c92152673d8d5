# SPDX-License-Identifier: BSL-1.0
#
# Every tests/fuzz/<name>_fuzz.cpp is a target coir_fuzz_<name>. With Clang it is libFuzzer's, and the test fuzz/<name>
# runs it on the committed inputs in tests/fuzz/<name>/ and on some thousand that it makes of them; to look for more:
#     build/clang/tests/coir_fuzz_<name> -max_total_time=600 <a folder of your own> tests/fuzz/<name>
# With other compilers the test replays the committed inputs. The library's sources of the parser, in
# tests/fuzz/<name>.cmake as `sources`, are built with the fuzzer's instrumentation, so that it sees what it reaches.

set(COIR_FUZZ_RUNS 20000 CACHE STRING "How many inputs a test of a fuzz target makes")

file(GLOB fuzz_targets CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}/fuzz" "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/*_fuzz.cpp")
foreach(file IN LISTS fuzz_targets)
    string(REGEX REPLACE "_fuzz\\.cpp$" "" name "${file}")
    set(sources "")
    include("${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${name}.cmake" OPTIONAL)
    list(TRANSFORM sources PREPEND "${PROJECT_SOURCE_DIR}/")
    set(target coir_fuzz_${name})
    add_executable(${target} "${CMAKE_CURRENT_SOURCE_DIR}/fuzz/${file}" ${sources})
    coir_target_defaults(${target})
    coir_link_everything(${target})
    target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
    if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND NOT COIR_SANITIZE)
        target_compile_options(${target} PRIVATE -fsanitize=fuzzer,address)
        target_link_options(${target} PRIVATE -fsanitize=fuzzer,address)
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
