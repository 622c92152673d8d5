// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   blocking(f)   runs f, which may block its thread, in the current task

#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

namespace coir {
namespace detail {

class blocking_section;

/// While it lives, the current task blocks its thread, and its worker can go on on another one.
class blocking_scope {
public:
    blocking_scope();
    blocking_scope(blocking_scope const&) = delete;
    blocking_scope& operator=(blocking_scope const&) = delete;
    ~blocking_scope();

private:
    static constexpr std::size_t k_alignment = 16;

    alignas(k_alignment) std::byte room_[96];  // for the section
    blocking_section* section_;                // null on a plain thread
};

}  // namespace detail

/// Runs `f()`, which may block the thread, on the calling task's stack, and returns its result or throws its exception. The
/// worker's other tasks go on on another thread: at once if some are ready, else as soon as f has lasted for some 100 to
/// 200 µs (behind many short ones, up to two milliseconds). That costs two switches and two wake-ups of a thread, and a
/// thread for each f that runs at the same time; besides, each worker that has had one keeps a thread in reserve. An f that
/// is over before, with nobody waiting for the worker, costs some 50 ns more than without. A thread_pool_executor bounds the
/// number of threads.
///
/// A task of a strand keeps its strand meanwhile. In virtual time and with a seed the worker is always handed over.
///
/// Inside f the calling thread is, to coir, a plain one: what would suspend a task blocks the thread, and spawn and
/// current_task throw no_running_runtime. What f has locked with std::mutex is unlocked by the thread that locked it;
/// afterwards the task may be on another thread.
///
/// A suspension point before f runs: throws a pending cancellation. A cancellation that comes while f runs does not
/// interrupt it: it is delivered at the next suspension point. Throws std::system_error or std::bad_alloc, without having
/// called f, if there is no thread to be had. On a plain thread: just `f()`.
template <class F>
decltype(auto) blocking(F&& f) {
    static_assert(std::is_invocable_v<F>, "coir::blocking: the argument must be callable without arguments");
    detail::blocking_scope const on_a_plain_thread;
    return std::invoke(std::forward<F>(f));
}

}  // namespace coir
