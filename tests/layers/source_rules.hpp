// SPDX-License-Identifier: BSL-1.0
#pragma once

#include <map>
#include <string>
#include <vector>

// What the source tree promises about itself: includes go downwards only, and what must have one home has one. Works on
// texts rather than on a compiler's view, so that it also sees what is switched off in this build.
namespace layers {

using path = std::string;                         // from the root of the tree, with '/'
using source_tree = std::map<path, std::string>;  // each file's text

// The library's own files below `root`: core, sync, executors, net and the umbrella headers.
source_tree read_library(const std::string& root);

// Each as "file:line: what is wrong"; empty when all is well.
std::vector<std::string> include_violations(const source_tree& tree);
std::vector<std::string> folder_cycles(const source_tree& tree);
std::vector<std::string> one_home_violations(const source_tree& tree);

}  // namespace layers
