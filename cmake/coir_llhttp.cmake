# SPDX-License-Identifier: BSL-1.0
#
# llhttp, the HTTP parser of Node.js, comes as generated C sources (Debian: node-llhttp). They are compiled into
# coir::net, so that an installed coir needs no llhttp.

set(COIR_LLHTTP_DIR "" CACHE PATH "Folder with llhttp's api.c, http.c, llhttp.c and llhttp.h, where not the system's")

find_path(COIR_LLHTTP_SOURCE_DIR llhttp.c
    HINTS "${COIR_LLHTTP_DIR}" "${COIR_LLHTTP_DIR}/src"
    PATHS /usr/share /usr/local/share
    PATH_SUFFIXES llhttp)
find_path(COIR_LLHTTP_INCLUDE_DIR llhttp.h
    HINTS "${COIR_LLHTTP_DIR}" "${COIR_LLHTTP_DIR}/include"
    PATHS /usr/share/include /usr/local/share/include
    PATH_SUFFIXES llhttp)
mark_as_advanced(COIR_LLHTTP_SOURCE_DIR COIR_LLHTTP_INCLUDE_DIR)

if(NOT COIR_LLHTTP_SOURCE_DIR OR NOT COIR_LLHTTP_INCLUDE_DIR)
    message(FATAL_ERROR
        "coir::net needs the C sources of llhttp, and they were not found.\n"
        "On Debian: apt-get install node-llhttp. Elsewhere: set COIR_LLHTTP_DIR to a folder that holds them.\n"
        "To build without coir::net: -DCOIR_BUILD_NET=OFF.")
endif()

add_library(coir_llhttp OBJECT
    "${COIR_LLHTTP_SOURCE_DIR}/api.c"
    "${COIR_LLHTTP_SOURCE_DIR}/http.c"
    "${COIR_LLHTTP_SOURCE_DIR}/llhttp.c")
target_include_directories(coir_llhttp SYSTEM PRIVATE "${COIR_LLHTTP_INCLUDE_DIR}")
target_compile_definitions(coir_llhttp PRIVATE LLHTTP_STRICT_MODE=1)
target_compile_options(coir_llhttp PRIVATE -w)
if(BUILD_SHARED_LIBS)
    set_target_properties(coir_llhttp PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()

# Puts the parser's objects into `target`, whose own sources may then include <llhttp.h>.
function(coir_embed_llhttp target)
    target_sources(${target} PRIVATE $<TARGET_OBJECTS:coir_llhttp>)
    target_include_directories(${target} SYSTEM PRIVATE "${COIR_LLHTTP_INCLUDE_DIR}")
    target_compile_definitions(${target} PRIVATE LLHTTP_STRICT_MODE=1)
endfunction()
