// SPDX-License-Identifier: BSL-1.0
#pragma once

// Boost.Asio's asynchronous operations, awaited from tasks; and coir's tasks and futures, awaited with Asio. Not part of
// <coir/coir.hpp>: it brings Asio's headers in.

#include <coir/executors/async_wait.hpp>
#include <coir/executors/use_task.hpp>
