// SPDX-License-Identifier: BSL-1.0
#pragma once

// coir for tests: every order of events, replayable, without waiting for the clock.

#include <coir/core/sched/explore.hpp>
