// SPDX-License-Identifier: BSL-1.0
#pragma once

// Synopsis
//   queue<T>(max)   asyncio's Queue: first in, first out, with task_done() and join()

#include <coir/sync/detail/item_queue.hpp>

namespace coir {

/// Items in the order of putting, to getters in the order of their coming; at most `max` at a time (0: no limit). What it
/// has over a channel: join() waits until all that was put has been worked on, shutdown(true) throws away. No item is
/// lost or doubled when a putter or getter is cancelled or timed out at the moment at which it would have its turn. Moving
/// a T must not suspend. All members may be called from tasks and plain threads alike.
///
/// put, try_put, try_put_for, get, try_get, try_get_for, size, empty, full, max_size, task_done, join, join_for, shutdown,
/// is_shut_down: see detail::item_queue.
template <class T>
class queue : public detail::item_queue<T, detail::fifo_store<T>> {
public:
    using detail::item_queue<T, detail::fifo_store<T>>::item_queue;
};

}  // namespace coir
