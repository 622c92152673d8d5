// SPDX-License-Identifier: BSL-1.0
#pragma once

// Boost.Asio's asynchronous operations, awaited from tasks. Not part of <coir/coir.hpp>: it brings Asio's headers in.

#include <coir/executors/use_task.hpp>
