// SPDX-License-Identifier: BSL-1.0
#pragma once

// The cases of select(), and how it waits for one of them.
//
// One wait, a node in the line of each case, one winner: whoever claims the wait word (core/task/wait_word.hpp) does so
// through one node and hands its thing over there. The nodes in the other lines are dead from then on: claimers pass over
// them, so that no item goes to a select() that something else has ended.
//
//     look at each case in its order      the first one that can take effect does: done
//     prepare the wait, stand in each line, under its lock with a second look
//     if some case may be ready after all claim the own wait: won, start again; lost, somebody has just chosen a case
//     suspend
//     leave every line                    under each lock: afterwards no claimer knows of a node
//     the case that was chosen has taken effect; or nothing has (closed, cancelled, timed out)
//
// Two selects that find each other in their lines at the same moment both take themselves back and look again; they pause
// for a time that grows. Rejected: the locks of all lines at once (each case would need an order of locks, and a
// primitive's lock would be held while another's user type is moved); an atomic hand-over between two selects by a third
// state of the wait word (every claimer would have to wait for its outcome).

#include <coir/core/base/clock.hpp>
#include <coir/core/task/suspend.hpp>

#include <cstddef>
#include <span>

namespace coir::detail {

class select_case {
public:
    select_case() = default;
    select_case(select_case const&) = delete;
    select_case& operator=(select_case const&) = delete;

    /// Takes effect now, if it can.
    virtual bool poll() = 0;
    /// Called once, before the first wait.
    virtual void start() {}
    /// Called once after start(), whatever happens, when the choice is made or failed: ends what start() began, unless this
    /// case is the one.
    virtual void stop(bool) noexcept {}
    /// Stands in its line for `who`. False, and it does not, if poll() should be asked again.
    virtual bool enlist(waiter&) noexcept { return true; }
    /// After enlist(): leaves the line, in which it may not stand any more.
    virtual void withdraw() noexcept {}
    /// After withdraw(): was it chosen, and has it taken effect?
    virtual bool settled() noexcept { return false; }
    /// When it takes effect by itself.
    virtual clock::time_point deadline() const noexcept { return k_never; }
    /// Is it the one to be taken when none of the others can be at once?
    virtual bool is_otherwise() const noexcept { return false; }
    /// Calls the callback.
    virtual void finish() = 0;

protected:
    ~select_case() = default;
};

/// Makes one case take effect and returns its index, without having called finish(). Suspends, unless there is one for
/// otherwise. Throws `cancelled`, and then none has taken effect, and what the cases throw.
std::size_t select_one(std::span<select_case* const> cases);

}  // namespace coir::detail
