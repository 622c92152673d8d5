// SPDX-License-Identifier: BSL-1.0
#include "tests/layers/source_rules.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace layers {

namespace {

// From the bottom up: a file may include what stands in its own room or in an earlier one. The umbrella headers have
// their places too: coir.hpp gathers what is below it, net stands on it.
constexpr std::array k_rooms{
    std::string_view{"core/base"}, std::string_view{"core/fiber"}, std::string_view{"core/queue"},
    std::string_view{"core/park"}, std::string_view{"core/task"},  std::string_view{"core/time"},
    std::string_view{"core/io"},   std::string_view{"core/sched"}, std::string_view{"sync"},
    std::string_view{"executors"}, std::string_view{"coir.hpp"},   std::string_view{"net"},
    std::string_view{"*.hpp"},  // every other umbrella
};

struct home {
    std::regex what;
    std::string_view name;
    std::regex where;
};

struct include {
    std::size_t line;
    path target;  // from the root
    bool quoted;
};

// An umbrella header at the root counts as a folder of its own.
std::string folder_of(const path& file) {
    return file.substr(0, file.rfind('/'));
}

// The room as k_rooms names it; nothing for a file that stands in none.
std::optional<std::size_t> room_of(const path& file) {
    std::string room;
    if (file == "coir.hpp") {
        room = file;
    } else if (file.find('/') == path::npos) {
        room = "*.hpp";
    } else {
        const auto first = file.find('/');
        room = file.substr(0, first);
        if (room == "core") {
            room = file.substr(0, file.find('/', first + 1));
        }
    }
    const auto found = std::find(k_rooms.begin(), k_rooms.end(), room);
    if (found == k_rooms.end()) {
        return std::nullopt;
    }
    return static_cast<std::size_t>(found - k_rooms.begin());
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in{text};
    for (std::string line; std::getline(in, line);) {
        lines.push_back(line);
    }
    return lines;
}

// Includes of this project: <coir/…> and everything in quotes.
std::vector<include> includes_of(const std::string& text) {
    static const std::regex pattern{R"re(^\s*#\s*include\s*(?:<coir/([^>]+)>|"([^"]+)"))re"};
    std::vector<include> found;
    const auto lines = lines_of(text);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        std::smatch match;
        if (std::regex_search(lines[i], match, pattern)) {
            const bool quoted = match[2].matched;
            found.push_back({i + 1, quoted ? match[2].str() : match[1].str(), quoted});
        }
    }
    return found;
}

std::string where(const path& file, std::size_t line) {
    return file + ":" + std::to_string(line) + ": ";
}

// The text with comments and the insides of literals blanked out; lines stay where they are.
std::string code_of(const std::string& text) {
    enum class in { code, line_comment, block_comment, string, character };
    std::string code = text;
    in state = in::code;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        const char next = i + 1 < text.size() ? text[i + 1] : '\0';
        const char before = i > 0 ? text[i - 1] : '\0';
        switch (state) {
        case in::code:
            if (c == '/' && next == '/') {
                state = in::line_comment;
                code[i] = ' ';
            } else if (c == '/' && next == '*') {
                state = in::block_comment;
                code[i] = ' ';
                code[++i] = ' ';
            } else if (c == '"') {
                state = in::string;
            } else if (c == '\'' && std::isalnum(static_cast<unsigned char>(before)) == 0) {
                state = in::character;  // not the separator in 1'000
            }
            break;
        case in::line_comment:
            if (c == '\n') {
                state = in::code;
            } else {
                code[i] = ' ';
            }
            break;
        case in::block_comment:
            if (c == '*' && next == '/') {
                state = in::code;
                code[i] = ' ';
                code[++i] = ' ';
            } else if (c != '\n') {
                code[i] = ' ';
            }
            break;
        case in::string:
        case in::character:
            if (c == '\\') {
                code[i] = ' ';
                code[++i] = ' ';
            } else if (c == (state == in::string ? '"' : '\'') || c == '\n') {
                state = in::code;
            } else {
                code[i] = ' ';
            }
            break;
        }
    }
    return code;
}

using folder_graph = std::map<std::string, std::map<std::string, std::string>>;  // from, to, an include that says so

// A detail/ folder belongs to the folder that it stands in: it may use its owner's types.
std::string owner_of(const std::string& folder) {
    static const std::regex detail{"/detail(/.*)?$"};
    return std::regex_replace(folder, detail, "");
}

folder_graph folders_of(const source_tree& tree) {
    folder_graph graph;
    for (const auto& [file, text] : tree) {
        const auto from = owner_of(folder_of(file));
        for (const auto& include : includes_of(text)) {
            const auto to = owner_of(folder_of(include.target));
            if (from != to) {
                graph[from].try_emplace(to, where(file, include.line) + "includes " + include.target);
            }
        }
    }
    return graph;
}

// Depth first; `way` holds the folders from the start to here.
void find_cycles(const folder_graph& graph, const std::string& folder, std::vector<std::string>& way,
                 std::set<std::string>& done, std::vector<std::string>& cycles) {
    const auto met = std::find(way.begin(), way.end(), folder);
    if (met != way.end()) {
        std::string cycle;
        for (auto it = met; it != way.end(); ++it) {
            const auto& next = it + 1 == way.end() ? folder : *(it + 1);
            cycle += (cycle.empty() ? "" : "; ") + graph.at(*it).at(next);
        }
        cycles.push_back("folders include each other: " + cycle);
        return;
    }
    if (done.contains(folder)) {
        return;
    }
    way.push_back(folder);
    if (const auto edges = graph.find(folder); edges != graph.end()) {
        for (const auto& [to, reason] : edges->second) {
            find_cycles(graph, to, way, done, cycles);
        }
    }
    way.pop_back();
    done.insert(folder);
}

}  // namespace

source_tree read_library(const std::string& root) {
    namespace fs = std::filesystem;
    source_tree tree;
    const auto add = [&](const fs::path& file) {
        if (file.extension() != ".hpp" && file.extension() != ".cpp") {
            return;
        }
        std::ifstream in{file, std::ios::binary};
        if (!in) {
            throw std::runtime_error{"cannot read " + file.string()};
        }
        tree[file.lexically_relative(root).generic_string()] =
            std::string{std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
    };
    for (const auto& entry : fs::directory_iterator{root}) {
        if (entry.is_regular_file()) {
            add(entry.path());
        }
    }
    for (const auto* layer : {"core", "sync", "executors", "net"}) {
        for (const auto& entry : fs::recursive_directory_iterator{fs::path{root} / layer}) {
            if (entry.is_regular_file()) {
                add(entry.path());
            }
        }
    }
    return tree;
}

std::vector<std::string> include_violations(const source_tree& tree) {
    std::vector<std::string> violations;
    for (const auto& [file, text] : tree) {
        const auto from = room_of(file);
        if (!from) {
            violations.push_back(where(file, 1) + "stands in a folder that has no place in the order of layers");
            continue;
        }
        for (const auto& include : includes_of(text)) {
            const auto to = room_of(include.target);
            if (!tree.contains(include.target)) {
                violations.push_back(where(file, include.line) + "includes " + include.target +
                                     ", which is no file of the library (paths start at the root of the tree)");
            } else if (to && *to > *from) {
                violations.push_back(where(file, include.line) + "includes upwards: " + std::string{k_rooms[*from]} +
                                     " stands below " + include.target);
            }
        }
    }
    return violations;
}

std::vector<std::string> folder_cycles(const source_tree& tree) {
    const auto graph = folders_of(tree);
    std::vector<std::string> cycles;
    std::vector<std::string> way;
    std::set<std::string> done;
    for (const auto& [folder, edges] : graph) {
        find_cycles(graph, folder, way, done, cycles);
    }
    return cycles;
}

std::vector<std::string> one_home_violations(const source_tree& tree) {
    // Both break when the compiler may assume that code stays on one thread: see the files that are named here.
    static const std::array homes{
        home{std::regex{R"(\b(thread_local|__thread)\b)"}, "a thread-local variable",
             std::regex{R"(core/base/tls\.cpp)"}},
        home{std::regex{R"(\b(jump|ontop)_fcontext\b)"}, "a context switch",
             std::regex{R"(core/fiber/switch\.[a-z]+)"}},
    };
    std::vector<std::string> violations;
    for (const auto& [file, text] : tree) {
        const auto lines = lines_of(code_of(text));
        for (std::size_t i = 0; i < lines.size(); ++i) {
            for (const auto& home : homes) {
                if (std::regex_search(lines[i], home.what) && !std::regex_match(file, home.where)) {
                    violations.push_back(where(file, i + 1) + std::string{home.name} + " outside its one home");
                }
            }
        }
    }
    return violations;
}

}  // namespace layers
