// SPDX-License-Identifier: BSL-1.0
#pragma once

// coir: asyncio's programming model for C++, on every core. This header brings tasks, futures, generators,
// synchronisation and the thread pool; <coir/net.hpp> brings the network.

#include <coir/core/base/clock.hpp>
#include <coir/core/base/errors.hpp>
#include <coir/core/sched/blocking.hpp>
#include <coir/core/sched/runtime.hpp>
#include <coir/core/task/as_completed.hpp>
#include <coir/core/task/call_later.hpp>
#include <coir/core/task/context.hpp>
#include <coir/core/task/coroutine.hpp>
#include <coir/core/task/fork_join.hpp>
#include <coir/core/task/future.hpp>
#include <coir/core/task/gather.hpp>
#include <coir/core/task/generator.hpp>
#include <coir/core/task/shield.hpp>
#include <coir/core/task/sleep.hpp>
#include <coir/core/task/strand.hpp>
#include <coir/core/task/task.hpp>
#include <coir/core/task/task_group.hpp>
#include <coir/core/task/task_ref.hpp>
#include <coir/core/task/timeout.hpp>
#include <coir/core/task/wait.hpp>
#include <coir/executors/coroutine.hpp>
#include <coir/executors/executor.hpp>
#include <coir/executors/job.hpp>
#include <coir/executors/map.hpp>
#include <coir/executors/run_in_executor.hpp>
#include <coir/executors/thread_pool.hpp>
#include <coir/executors/wrap_future.hpp>
#include <coir/sync/barrier.hpp>
#include <coir/sync/broadcast.hpp>
#include <coir/sync/call_once.hpp>
#include <coir/sync/channel.hpp>
#include <coir/sync/condition_variable.hpp>
#include <coir/sync/event.hpp>
#include <coir/sync/latch.hpp>
#include <coir/sync/lifo_queue.hpp>
#include <coir/sync/mutex.hpp>
#include <coir/sync/priority_queue.hpp>
#include <coir/sync/queue.hpp>
#include <coir/sync/recursive_mutex.hpp>
#include <coir/sync/select.hpp>
#include <coir/sync/semaphore.hpp>
#include <coir/sync/shared_mutex.hpp>
#include <coir/sync/timed_mutex.hpp>
#include <coir/sync/watch.hpp>
