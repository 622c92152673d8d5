// SPDX-License-Identifier: BSL-1.0
#pragma once

// Jobs that end their worker, and what may be seen of that.

#include <coir/core/base/config.hpp>
#include <coir/executors/process/errors.hpp>

#include <cstddef>
#include <cstdint>
#include <new>
#include <string>

namespace coir::test {

/// Sanitizers catch the signals of a crash and exit instead.
inline constexpr bool k_sanitized = COIR_ASAN != 0 || COIR_TSAN != 0;

inline constexpr std::size_t k_bomb_limit = std::size_t{256} << 20;

int die_of_kill(int);
int die_of_segv(int);
int die_of_abort(int);
int die_of_exit(int);
int die_of_recursion(int);
int die_of_memory(int);  // throws std::bad_alloc with a limit of k_bomb_limit
int write_garbage(int);
int write_endless_frame(int);
int write_a_lie(int);  // a well-formed answer that claims a vector of 2^62 elements
int close_everything(int);
/// Answers 5 for itself, so that the pool takes the worker for idle, and writes garbage as soon as there is another job,
/// which it does not read.
int answer_and_write_garbage(int job);
int write_start_failures(int);  // without end
int claim_overflows(int job);   // without end
/// Forks, and returns the child's number; that one stays.
int leave_a_child();

/// Waits until it is killed.
void stay();
/// Waits until somebody makes this file, then removes it.
void stay_until(std::string const& path);
int own_number();
/// Kills the program that the pool belongs to.
int fail_the_test();
std::uint64_t mix(std::uint64_t x);

/// Is there such a process, and does it run?
bool is_alive(int number);

/// Did a job end as this signal ends it?
inline bool ended_by(worker_died const& error, int signal) {
    return error.signal() == signal || (k_sanitized && error.signal() == 0 && error.exit_status() != 0);
}

}  // namespace coir::test
