# SPDX-License-Identifier: BSL-1.0
#
# See CMakeLists.txt at net/asio_stream.cpp.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/net/asio_stream_test.cpp" PROPERTIES COMPILE_OPTIONS "-Wno-tsan")
endif()
