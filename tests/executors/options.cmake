# SPDX-License-Identifier: BSL-1.0
#
# Asio's and oneTBB's headers hold fences, which ThreadSanitizer does not see: GCC says so, and it cannot be helped here.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_source_files_properties(
        "${CMAKE_CURRENT_SOURCE_DIR}/executors/asio_test.cpp"
        "${CMAKE_CURRENT_SOURCE_DIR}/executors/compute_test.cpp"
        PROPERTIES COMPILE_OPTIONS "-Wno-tsan")
endif()
