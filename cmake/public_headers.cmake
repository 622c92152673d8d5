# SPDX-License-Identifier: BSL-1.0
#
# Which headers a user can reach as <coir/...>: these are linked into the build tree's include directory, and installed.
# Everything else is private and is included by the library's own sources as "core/queue/deque.hpp". A public header
# may include public headers only; tests/headers compiles each alone against the public directory to hold that.

set(COIR_UMBRELLA_HEADERS coir.hpp net.hpp testing.hpp process_pool.hpp compute.hpp asio.hpp)

# Private rooms and files, as regular expressions on the path from the root.
set(COIR_PRIVATE_HEADERS
    "^core/base/(fault|forked|futex|held_locks|thread_count|thread_name|type_name)\\.hpp$"
    "^core/fiber/"
    "^core/queue/"
    "^core/park/"
    "^core/task/(done_callbacks|heritage|record_cache|run_in_place|strand_state|suspend_task|task_events)\\.hpp$"
    "^core/time/timers\\.hpp$"
    "^core/io/"
    "^core/sched/"
    "_impl\\.hpp$")

# Public all the same.
set(COIR_PUBLIC_IN_PRIVATE_ROOMS
    core/park/idle.hpp
    core/queue/fork_stack.hpp
    core/sched/blocking.hpp
    core/sched/explore.hpp
    core/sched/options.hpp
    core/sched/runtime.hpp)

# Sets ${out_var} to the public headers, as sorted paths from the root of the source tree.
function(coir_public_headers out_var)
    file(GLOB umbrellas CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/*.hpp")
    file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
        "${PROJECT_SOURCE_DIR}/core/*.hpp"
        "${PROJECT_SOURCE_DIR}/sync/*.hpp"
        "${PROJECT_SOURCE_DIR}/executors/*.hpp"
        "${PROJECT_SOURCE_DIR}/net/*.hpp")

    set(public "")
    foreach(header IN LISTS umbrellas)
        if(header IN_LIST COIR_UMBRELLA_HEADERS)
            list(APPEND public "${header}")
        endif()
    endforeach()
    list(JOIN COIR_PRIVATE_HEADERS "|" private)
    foreach(header IN LISTS headers)
        if(header IN_LIST COIR_PUBLIC_IN_PRIVATE_ROOMS OR NOT header MATCHES "${private}")
            list(APPEND public "${header}")
        endif()
    endforeach()
    list(SORT public)
    set(${out_var} "${public}" PARENT_SCOPE)
endfunction()

# Fills ${include_dir}/coir with one symbolic link for each public header, and with nothing else: a header that has
# become private, or is gone, must not stay reachable through an old link.
function(coir_link_public_headers include_dir)
    coir_public_headers(public)
    file(GLOB_RECURSE present RELATIVE "${include_dir}/coir" "${include_dir}/coir/*")
    foreach(link IN LISTS present)
        if(NOT link IN_LIST public)
            file(REMOVE "${include_dir}/coir/${link}")
        endif()
    endforeach()
    foreach(header IN LISTS public)
        set(link "${include_dir}/coir/${header}")
        set(target "")
        if(IS_SYMLINK "${link}")
            file(READ_SYMLINK "${link}" target)
        endif()
        if(NOT target STREQUAL "${PROJECT_SOURCE_DIR}/${header}")
            get_filename_component(folder "${link}" DIRECTORY)
            file(MAKE_DIRECTORY "${folder}")
            file(CREATE_LINK "${PROJECT_SOURCE_DIR}/${header}" "${link}" SYMBOLIC)
        endif()
    endforeach()
endfunction()
