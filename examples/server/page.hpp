// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <string_view>

/// The page at /: it asks /stats twice a second and shows what it gets.
extern std::string_view const page_html;
