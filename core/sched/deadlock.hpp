// SPDX-License-Identifier: BSL-1.0
#pragma once

// Tasks that wait for each other, or for something that nobody will do.
//
// Certain only if nobody can wake any of them: all workers sleep, there is no timer, no descriptor and no job outstanding,
// no other runtime, and every other thread of the process is blocked inside coir without a time limit. Then nothing
// moves any more, and what the tasks wait for can be read where it lies. Whatever thread of the program's own, or Ctrl-C
// handler, could still do something: then it may be a pause, and nothing happens.
//
// The tasks are cancelled, and coir::run and runtime::block_on throw deadlock_error if that ended theirs, or if it
// returned before it had noticed. Go ends the process instead; but a cancellation lets destructors run, and a test go on.

#include <chrono>
#include <optional>
#include <string>

namespace coir::detail {

class scheduler;

inline constexpr char k_deadlock_reason[] = "deadlock";

enum class outlook {
    alive,      ///< no task waits, or something can still happen in the runtime or through a descriptor
    uncertain,  ///< only a thread outside of the runtime could wake anybody
    unsettled,  ///< a thread has just been woken: ask again in a moment
    deadlock,
};

/// Of a runtime whose workers all sleep.
outlook outlook_of(scheduler& home) noexcept;

/// Who waits for what, who holds it, and the circle if there is one. While nothing moves.
std::string describe_waits(scheduler& home);

/// The same for a runtime that somebody else may still wake: keeps its workers from getting up meanwhile. Waits until all of
/// them rest, at most for so long. Not on one of its workers.
std::optional<std::string> describe_waits_at_rest(scheduler& home, std::chrono::nanoseconds patience);

}  // namespace coir::detail
