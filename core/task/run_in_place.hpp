// SPDX-License-Identifier: BSL-1.0
#pragma once

namespace coir::detail {

class task_base;

/// If nobody has started `awaited` yet, runs it to its end on the calling task's stack, which would wait for it anyhow: a
/// tree of tasks then goes depth first and parks a handful of stacks instead of all its leaves. False, and the caller has
/// to wait, if it has been started, or has to wait for memory or room on the stack; on a plain thread; and while a
/// cancellation of the caller is pending or must not be delivered. Called by the one handle of `awaited`. Defined by
/// core/sched.
bool try_run_in_place(task_base& awaited) noexcept;

}  // namespace coir::detail
