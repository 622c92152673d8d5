# SPDX-License-Identifier: BSL-1.0
set(sources
    executors/process/exception.cpp
    executors/process/frame.cpp
    executors/process/request.cpp)
set(measured
    ${sources}
    executors/process/archive.hpp)
