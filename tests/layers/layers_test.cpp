// SPDX-License-Identifier: BSL-1.0
#include "tests/layers/source_rules.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace {

using layers::folder_cycles;
using layers::include_violations;
using layers::one_home_violations;
using layers::source_tree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const source_tree& library() {
    static const source_tree tree = layers::read_library(COIR_SOURCE_DIR);
    return tree;
}

// ---- the tree as it stands

TEST(library, was_found) {
    EXPECT_TRUE(library().contains("coir.hpp"));
    EXPECT_TRUE(library().contains("core/base/tls.cpp"));
    EXPECT_TRUE(library().contains("core/fiber/switch.cpp"));
}

TEST(library, includes_go_downwards) {
    EXPECT_THAT(include_violations(library()), IsEmpty());
}

TEST(library, folders_do_not_include_each_other) {
    EXPECT_THAT(folder_cycles(library()), IsEmpty());
}

TEST(library, thread_locals_and_context_switches_have_one_home) {
    EXPECT_THAT(one_home_violations(library()), IsEmpty());
}

// ---- trees that must be refused

TEST(include_rules, an_upward_include_is_named_with_its_line) {
    const source_tree tree{
        {"core/sched/worker.hpp", ""},
        {"core/task/task.cpp", "// a comment\n#include \"core/sched/worker.hpp\"\n"},
    };
    EXPECT_THAT(include_violations(tree), ElementsAre(HasSubstr("core/task/task.cpp:2: includes upwards")));
}

TEST(include_rules, an_include_in_angle_brackets_counts_as_well) {
    const source_tree tree{
        {"net/tcp.hpp", ""},
        {"sync/mutex.hpp", "#  include <coir/net/tcp.hpp>\n"},
    };
    EXPECT_THAT(include_violations(tree), ElementsAre(HasSubstr("sync/mutex.hpp:1: includes upwards")));
}

TEST(include_rules, the_umbrella_is_for_net_and_users_only) {
    const source_tree tree{
        {"coir.hpp", "#include <coir/executors/executor.hpp>\n"},
        {"executors/executor.hpp", ""},
        {"executors/pool.cpp", "#include <coir/coir.hpp>\n"},
        {"net.hpp", "#include <coir/coir.hpp>\n#include <coir/net/tcp.hpp>\n"},
        {"net/tcp.hpp", "#include <coir/coir.hpp>\n"},
    };
    EXPECT_THAT(include_violations(tree), ElementsAre(HasSubstr("executors/pool.cpp:1: includes upwards")));
}

TEST(include_rules, downward_and_sideways_includes_are_fine) {
    const source_tree tree{
        {"core/base/tls.hpp", ""},
        {"core/task/suspend.hpp", "#include <coir/core/base/tls.hpp>\n#include <vector>\n"},
        {"core/task/task.hpp", "#include <coir/core/task/suspend.hpp>\n"},
    };
    EXPECT_THAT(include_violations(tree), IsEmpty());
}

TEST(include_rules, a_path_that_does_not_start_at_the_root_is_refused) {
    const source_tree tree{
        {"sync/event.hpp", ""},
        {"sync/event.cpp", "#include \"event.hpp\"\n"},
    };
    EXPECT_THAT(include_violations(tree), ElementsAre(HasSubstr("sync/event.cpp:1: includes event.hpp")));
}

TEST(include_rules, tests_are_out_of_reach) {
    const source_tree tree{{"sync/event.cpp", "#include \"tests/support/clock.hpp\"\n"}};
    EXPECT_THAT(include_violations(tree), ElementsAre(HasSubstr("no file of the library")));
}

TEST(include_rules, a_room_without_a_place_in_the_order_is_refused) {
    EXPECT_THAT(include_violations({{"core/misc/helpers.hpp", ""}}), ElementsAre(HasSubstr("core/misc/helpers.hpp:1")));
}

TEST(folder_rules, two_folders_of_one_layer_that_include_each_other_are_refused) {
    const source_tree tree{
        {"net/http/server.hpp", "#include <coir/net/tcp.hpp>\n"},
        {"net/tcp.hpp", ""},
        {"net/stream.cpp", "\n#include <coir/net/http/server.hpp>\n"},
    };
    EXPECT_THAT(folder_cycles(tree),
                ElementsAre(testing::AllOf(HasSubstr("net/http/server.hpp:1"), HasSubstr("net/stream.cpp:2"))));
}

TEST(folder_rules, a_longer_way_round_is_found) {
    const source_tree tree{
        {"net/a/a.hpp", "#include <coir/net/b/b.hpp>\n"},
        {"net/b/b.hpp", "#include <coir/net/c/c.hpp>\n"},
        {"net/c/c.hpp", "#include <coir/net/a/a.hpp>\n"},
    };
    EXPECT_THAT(folder_cycles(tree), ElementsAre(HasSubstr("net/c/c.hpp:1")));
}

TEST(folder_rules, detail_belongs_to_the_folder_around_it) {
    const source_tree tree{
        {"sync/mutex.hpp", "#include <coir/sync/detail/waiters.hpp>\n"},
        {"sync/detail/waiters.hpp", "#include <coir/sync/deadline.hpp>\n"},
        {"sync/deadline.hpp", ""},
    };
    EXPECT_THAT(folder_cycles(tree), IsEmpty());
}

TEST(one_home_rules, a_thread_local_elsewhere_is_refused) {
    const source_tree tree{
        {"core/base/tls.cpp", "thread_local int here;\n"},
        {"core/base/tls.hpp", "extern thread_local int everywhere;\n"},
        {"sync/event.cpp", "\nstatic __thread int there;\n"},
    };
    EXPECT_THAT(one_home_violations(tree),
                ElementsAre(HasSubstr("core/base/tls.hpp:1"), HasSubstr("sync/event.cpp:2")));
}

TEST(one_home_rules, a_context_switch_elsewhere_is_refused) {
    const source_tree tree{
        {"core/fiber/switch.cpp", "auto t = boost::context::detail::jump_fcontext(to, nullptr);\n"},
        {"core/sched/worker.cpp", "auto t = ontop_fcontext(to, nullptr, f);\n"},
    };
    EXPECT_THAT(one_home_violations(tree), ElementsAre(HasSubstr("core/sched/worker.cpp:1: a context switch")));
}

TEST(one_home_rules, words_in_comments_and_strings_are_no_code) {
    const source_tree tree{
        {"core/base/config.hpp", "// no thread_local here\n/* nor\n thread_local here */ auto c = 'x'; // \" __thread\n"
                                 "const char* s = \"a \\\" thread_local\"; int n = 1'000; /* jump_fcontext */\n"},
    };
    EXPECT_THAT(one_home_violations(tree), IsEmpty());
}

TEST(one_home_rules, code_after_a_comment_or_a_string_is_seen) {
    const source_tree tree{
        {"core/base/config.hpp",
         "/* a */ thread_local int x; // b\nauto s = \"c\"; thread_local int y;\nint n = 1'0; __thread int z;\n"},
    };
    EXPECT_THAT(one_home_violations(tree),
                ElementsAre(HasSubstr("config.hpp:1"), HasSubstr("config.hpp:2"), HasSubstr("config.hpp:3")));
}

}  // namespace
