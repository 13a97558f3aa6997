#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "learner/lease_book.h"

#define PROGRESS_MS 100
#define TIMEOUT_MS 1000
#define SILENT_MS (3 * PROGRESS_MS + 1) // who says nothing for so long gets nothing more

static const struct lease_book_config plain = {.lease_timeout_ms = TIMEOUT_MS,
                                               .progress_ms = PROGRESS_MS,
                                               .prompts_per_lease = 4,
                                               .fault_retries = 1};
static struct lease_book *book;
static int names[8]; // peers are told apart by the address of one of these
static struct book_peer *peers[8];
static uint64_t now_ms;
static struct err err;

// What the book has done since the last look.
static struct book_action done[512];
static size_t n_done;

static void look_on(void)
{
    while (lease_book_next(book, &done[n_done])) {
        n_done++;
        assert_true(n_done < sizeof done / sizeof done[0]);
    }
}

static void look(void)
{
    n_done = 0;
    look_on();
}

static size_t count(enum book_action_type type)
{
    size_t n = 0;
    for (size_t i = 0; i < n_done; i++)
        n += done[i].type == type;
    return n;
}

// The n-th action of a type since the last look.
static const struct book_action *nth(enum book_action_type type, size_t n)
{
    for (size_t i = 0; i < n_done; i++)
        if (done[i].type == type && n-- == 0) return &done[i];
    fail_msg("the book did not do that");
    return NULL;
}

static void start(const struct lease_book_config *config)
{
    now_ms = 1000;
    book = lease_book_create(config, 1);
}

static int setup(void **state)
{
    (void)state;
    start(&plain);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    lease_book_destroy(book);
    return 0;
}

static void restart(const struct lease_book_config *config)
{
    lease_book_destroy(book);
    start(config);
}

static void credit(int i, uint32_t samples, uint64_t version)
{
    const struct credit c = {
        .bytes = 1000, .samples = samples, .has_weights = true, .weights_version = version};
    lease_book_credit(book, now_ms, peers[i], &c);
    look();
}

static void join(int i, uint32_t samples, uint64_t version)
{
    peers[i] = lease_book_join(book, now_ms, &names[i]);
    credit(i, samples, version);
}

static struct order generate(uint64_t number, uint64_t first, uint32_t n_prompts)
{
    return (struct order){.number = number,
                          .kind = LEASE_GENERATE,
                          .prompt_first = first,
                          .n_prompts = n_prompts,
                          .n_samples = 2,
                          .weights_version = 7,
                          .temperature = 1.0f,
                          .top_p = 1.0f,
                          .max_new_tokens = 8};
}

static struct order feed(uint64_t number, uint64_t first, uint32_t n_prompts)
{
    return (struct order){.number = number,
                          .kind = LEASE_FEED,
                          .prompt_first = first,
                          .n_prompts = n_prompts,
                          .n_samples = 1,
                          .top_p = 1.0f};
}

static void place(struct order o)
{
    assert_int_equal(lease_book_order(book, now_ms, &o, &err), 0);
    look();
}

static void progress(int i, uint64_t lease, uint64_t n_tokens, uint32_t n_unknown)
{
    const struct progress p = {.n = 1, .entries = {{lease, n_tokens}}};
    struct lease_list unknown;
    lease_book_heard(book, now_ms, peers[i]);
    lease_book_progress(book, now_ms, peers[i], &p, &unknown);
    assert_int_equal(unknown.n, n_unknown);
    look();
}

static void tick_after(uint64_t ms)
{
    now_ms += ms;
    lease_book_tick(book, now_ms);
    look();
}

// Time goes by while the first n_heard peers speak.
static void pass(uint64_t ms, int n_heard)
{
    n_done = 0;
    for (const uint64_t until_ms = now_ms + ms; now_ms < until_ms;) {
        now_ms += until_ms - now_ms < 50 ? until_ms - now_ms : 50;
        for (int i = 0; i < n_heard; i++)
            lease_book_heard(book, now_ms, peers[i]);
        lease_book_tick(book, now_ms);
        look_on();
    }
}

static void receive_all(const struct lease *lease)
{
    for (uint32_t i = 0; i < lease->n_prompts * lease->n_samples; i++)
        lease_book_received(book, now_ms, lease->id);
    lease_book_complete(book, now_ms, lease->id);
}

// --- handing out --------------------------------------------------------------------

static void test_leases_go_out_in_order_of_order_and_prompt(void **state)
{
    (void)state;
    place(generate(1, 10, 2));
    place(generate(2, 40, 2));
    assert_int_equal(n_done, 0);
    join(0, 100, 7);
    assert_int_equal(count(BOOK_ISSUE), 4);
    const uint64_t prompts[] = {10, 11, 40, 41};
    for (size_t i = 0; i < 4; i++) {
        const struct book_action *a = nth(BOOK_ISSUE, i);
        assert_true(a->lease.prompt_first == prompts[i] && a->lease.id == i + 1);
        assert_true(a->lease.step == (i < 2 ? 1 : 2) && a->lease.n_prompts == 1);
        assert_ptr_equal(a->peer, &names[0]);
    }
}

static void test_two_peers_share_the_work(void **state)
{
    (void)state;
    join(0, 100, 7);
    join(1, 100, 7);
    place(generate(1, 0, 6));
    int n[2] = {0, 0};
    for (size_t i = 0; i < 6; i++)
        n[(const int *)nth(BOOK_ISSUE, i)->peer - names]++;
    assert_int_equal(n[0], 3);
    assert_int_equal(n[1], 3);
}

static void test_nobody_gets_more_than_the_credit(void **state)
{
    (void)state;
    join(0, 5, 7); // two groups of two
    place(generate(1, 0, 6));
    assert_int_equal(count(BOOK_ISSUE), 2);
}

static void test_a_group_larger_than_the_credit_goes_to_an_idle_peer_alone(void **state)
{
    (void)state;
    join(0, 1, 7);
    place(generate(1, 0, 6));
    assert_int_equal(count(BOOK_ISSUE), 1);
}

static void test_only_the_right_weights_get_generation(void **state)
{
    (void)state;
    uint64_t version = 0;
    join(0, 100, 6);
    place(generate(1, 0, 1));
    assert_int_equal(count(BOOK_ISSUE), 0);
    assert_true(lease_book_wanted_version(book, &version) && version == 7);
    credit(0, 100, 7);
    assert_int_equal(count(BOOK_ISSUE), 1);
    assert_false(lease_book_wanted_version(book, &version)); // nobody waits any more
    assert_true(lease_book_needs_version(book, 7));
    receive_all(&nth(BOOK_ISSUE, 0)->lease);
    assert_false(lease_book_needs_version(book, 7));
}

static void test_documents_need_no_weights_and_go_several_at_a_time(void **state)
{
    (void)state;
    peers[0] = lease_book_join(book, now_ms, &names[0]);
    const struct credit c = {.bytes = 1, .samples = 100};
    lease_book_credit(book, now_ms, peers[0], &c);
    place(feed(1, 100, 10));
    assert_int_equal(count(BOOK_ISSUE), 3); // 4 + 4 + 2
    assert_true(nth(BOOK_ISSUE, 2)->lease.prompt_first == 108);
    assert_int_equal(nth(BOOK_ISSUE, 2)->lease.n_prompts, 2);
}

static void test_a_full_actor_gets_nothing(void **state)
{
    (void)state;
    peers[0] = lease_book_join(book, now_ms, &names[0]);
    const struct credit c = {.bytes = 0, .samples = 100};
    lease_book_credit(book, now_ms, peers[0], &c);
    place(feed(1, 0, 4));
    assert_int_equal(count(BOOK_ISSUE), 0);
}

static void test_ids_are_reserved_before_they_are_used(void **state)
{
    (void)state;
    lease_book_destroy(book);
    book = lease_book_create(&plain, 1000);
    join(0, 100000, 7);
    join(1, 100000, 7);
    place(generate(1, 0, LEASE_IDS_RESERVED + 1));
    uint64_t reserved = 1000;
    for (size_t i = 0; i < n_done; i++) {
        if (done[i].type == BOOK_RESERVE) {
            assert_true(done[i].first == reserved);
            reserved += done[i].count;
        } else {
            assert_true(done[i].lease.id < reserved);
        }
    }
    assert_true(reserved == 1000 + 2 * LEASE_IDS_RESERVED);
}

static void test_a_lease_under_way_counts_against_the_credit(void **state)
{
    (void)state;
    join(0, 4, 7);
    place(generate(1, 0, 6));
    assert_int_equal(count(BOOK_ISSUE), 2);
    const uint64_t first = nth(BOOK_ISSUE, 0)->lease.id;
    credit(0, 4, 7); // said before it saw them
    assert_int_equal(count(BOOK_ISSUE), 0);
    progress(0, first, 0, 0);
    progress(0, first + 1, 0, 0);
    credit(0, 4, 7); // said with both in hand
    assert_int_equal(count(BOOK_ISSUE), 2);
}

// --- losing ---------------------------------------------------------------------------

static void test_a_silent_peer_loses_its_leases_to_another_in_time(void **state)
{
    (void)state;
    join(0, 100, 7);
    join(1, 4, 7);
    place(generate(1, 0, 1));
    const struct book_action *first = nth(BOOK_ISSUE, 0);
    const uint64_t lost = first->lease.id;
    const int holder = (int)((const int *)first->peer - names);
    if (holder == 0) { // the one that goes on speaking is number 0
        struct book_peer *p = peers[0];
        peers[0] = peers[1];
        peers[1] = p;
    }
    pass(SILENT_MS, 1);
    assert_int_equal(n_done, 0); // it may be in a long step
    assert_false(lease_book_peer_is_alive(peers[1]));
    place(generate(2, 10, 1));
    assert_ptr_equal(nth(BOOK_ISSUE, 0)->peer, &names[1 - holder]);
    const struct lease other = nth(BOOK_ISSUE, 0)->lease;
    receive_all(&other);
    pass(TIMEOUT_MS, 1);
    const struct book_action *ended = nth(BOOK_END, 0);
    assert_true(ended->end.lease == lost && ended->end_type == JOURNAL_RETURNED);
    assert_int_equal(ended->end.reason, LEASE_END_PEER_LOST);
    assert_ptr_equal(ended->peer, &names[holder]); // told, should it wake up
    assert_null(lease_book_lease(book, lost));
    const struct book_action *again = nth(BOOK_ISSUE, 0);
    assert_true(again->lease.prompt_first == 0 && again->lease.id > lost);
    assert_ptr_equal(again->peer, &names[1 - holder]);
}

static void test_a_connection_that_is_gone_loses_its_leases_at_once(void **state)
{
    (void)state;
    join(0, 4, 7);
    place(generate(1, 0, 1));
    const uint64_t lost = nth(BOOK_ISSUE, 0)->lease.id;
    join(1, 4, 7);
    lease_book_leave(book, now_ms, peers[0], LEASE_END_PEER_LOST);
    look();
    assert_true(nth(BOOK_END, 0)->end.lease == lost);
    assert_null(nth(BOOK_END, 0)->peer); // nobody is there to be told
    assert_ptr_equal(nth(BOOK_ISSUE, 0)->peer, &names[1]);
}

static void test_time_in_which_nobody_listened_counts_against_nobody(void **state)
{
    (void)state;
    join(0, 4, 7);
    place(generate(1, 0, 1));
    now_ms += 100 * TIMEOUT_MS; // a slow disk, a suspended machine
    lease_book_tick(book, now_ms);
    look();
    assert_int_equal(n_done, 0);
    assert_true(lease_book_peer_is_alive(peers[0]));
}

static void test_what_is_leased_anew_goes_before_later_prompts(void **state)
{
    (void)state;
    join(0, 2, 7);
    place(generate(1, 0, 3));
    const uint64_t first = nth(BOOK_ISSUE, 0)->lease.id;
    const struct lease_list back = {.n = 1, .leases = {first}};
    lease_book_give_back(book, now_ms, peers[0], &back);
    look();
    assert_int_equal(nth(BOOK_END, 0)->end.reason, LEASE_END_GIVEN_BACK);
    assert_int_equal(count(BOOK_ISSUE), 0); // who gives back wants no more for now
    join(1, 2, 7);
    assert_true(nth(BOOK_ISSUE, 0)->lease.prompt_first == 0);
}

static void test_a_lease_of_somebody_else_cannot_be_given_back(void **state)
{
    (void)state;
    join(0, 2, 7);
    place(generate(1, 0, 1));
    const uint64_t id = nth(BOOK_ISSUE, 0)->lease.id;
    join(1, 0, 7);
    const struct lease_list back = {.n = 2, .leases = {id, 999}};
    lease_book_give_back(book, now_ms, peers[1], &back);
    look();
    assert_int_equal(n_done, 0);
    assert_true(lease_book_is_holder(book, id, peers[0]));
}

static void test_a_peer_that_speaks_and_does_nothing_is_hung(void **state)
{
    (void)state;
    join(0, 4, 7);
    place(generate(1, 0, 2));
    const uint64_t a = nth(BOOK_ISSUE, 0)->lease.id;
    uint64_t tokens = 1;
    // One lease that moves keeps the other, which waits for its turn.
    for (int i = 0; i < 2 * TIMEOUT_MS / PROGRESS_MS; i++) {
        progress(0, a + 1, 0, 0);
        progress(0, a, tokens++, 0);
        tick_after(PROGRESS_MS);
        assert_int_equal(count(BOOK_END), 0);
    }
    for (int i = 1; i < TIMEOUT_MS / PROGRESS_MS; i++) { // no new tokens
        progress(0, a, tokens - 1, 0);
        tick_after(PROGRESS_MS);
    }
    progress(0, a, tokens - 1, 0);
    tick_after(1);
    assert_int_equal(count(BOOK_END), 2);
    assert_int_equal(nth(BOOK_END, 0)->end.reason, LEASE_END_EXPIRED);
    // Back to it only when nobody else works.
    join(1, 4, 7);
    assert_int_equal(count(BOOK_ISSUE), 2);
    assert_ptr_equal(nth(BOOK_ISSUE, 0)->peer, &names[1]);
}

static void test_a_lease_that_never_arrived_is_leased_anew(void **state)
{
    (void)state;
    join(0, 4, 7);
    place(generate(1, 0, 2));
    const uint64_t arrived = nth(BOOK_ISSUE, 0)->lease.id;
    uint64_t tokens = 1;
    size_t n_ended = 0;
    for (int i = 0; i < 2 * TIMEOUT_MS / PROGRESS_MS && n_ended == 0; i++) {
        progress(0, arrived, tokens++, 0); // never a word of the other
        credit(0, 2, 7);
        pass(PROGRESS_MS, 1);
        n_ended = count(BOOK_END);
    }
    assert_int_equal(n_ended, 1);
    assert_true(nth(BOOK_END, 0)->end.lease != arrived);
    assert_int_equal(nth(BOOK_END, 0)->end.reason, LEASE_END_EXPIRED);
}

static void test_an_actor_on_a_new_connection_keeps_its_leases(void **state)
{
    (void)state;
    join(0, 2, 7);
    place(generate(1, 0, 1));
    const uint64_t id = nth(BOOK_ISSUE, 0)->lease.id;
    lease_book_received(book, now_ms, id);
    join(1, 0, 7);
    lease_book_move(book, now_ms, peers[0], peers[1]);
    lease_book_leave(book, now_ms, peers[0], LEASE_END_PEER_LOST);
    look();
    assert_int_equal(n_done, 0);
    assert_true(lease_book_is_holder(book, id, peers[1]));
    lease_book_received(book, now_ms, id);
    lease_book_complete(book, now_ms, id);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_COMPLETE);
}

static void test_progress_on_a_lease_that_is_over_is_told(void **state)
{
    (void)state;
    join(0, 2, 7);
    place(generate(1, 0, 1));
    const uint64_t id = nth(BOOK_ISSUE, 0)->lease.id;
    progress(0, id + 5, 1, 1);
    progress(0, id, 1, 0);
    lease_book_leave(book, now_ms, peers[0], LEASE_END_PEER_LOST);
    look();
    join(1, 2, 7);
    progress(1, id, 1, 1);
}

// --- ends -----------------------------------------------------------------------------

static void commit_fails(uint64_t number, const struct order_fate *fates, size_t n)
{
    err.code = ERR_NONE;
    assert_int_equal(lease_book_commit(book, number, 5, fates, n, &err), -1);
    assert_int_equal(err.code, ERR_MISMATCH);
    look();
    assert_int_equal(n_done, 0);
}

static void test_a_commit_settles_each_prompt_once_or_changes_nothing(void **state)
{
    (void)state;
    join(0, 100, 7);
    place(generate(1, 10, 3));
    const struct lease a = nth(BOOK_ISSUE, 0)->lease, b = nth(BOOK_ISSUE, 1)->lease,
                       c = nth(BOOK_ISSUE, 2)->lease;
    receive_all(&a);
    receive_all(&b);
    look();
    const struct order_fate fates[] = {
        {10, 0}, {11, LEASE_END_ZERO_VARIANCE}, {12, 0}, {9, 0}, {10, 0}};
    commit_fails(1, fates, 3);     // 12 is still out
    commit_fails(1, fates + 3, 1); // not of this order
    commit_fails(2, fates, 1);     // no such order
    const struct order_fate twice[] = {fates[0], fates[4]};
    commit_fails(1, twice, 2);
    assert_int_equal(lease_book_commit(book, 1, 5, fates, 2, &err), 0);
    look();
    assert_int_equal(nth(BOOK_END, 0)->end_type, JOURNAL_TRAINED);
    assert_true(nth(BOOK_END, 0)->end.lease == a.id && nth(BOOK_END, 0)->end.step == 5);
    assert_int_equal(nth(BOOK_END, 1)->end_type, JOURNAL_DROPPED);
    assert_int_equal(nth(BOOK_END, 1)->end.reason, LEASE_END_ZERO_VARIANCE);
    commit_fails(1, fates, 1); // a second time
    receive_all(&c);
    assert_int_equal(lease_book_commit(book, 1, 6, &fates[2], 1, &err), 0);
    look();
    assert_int_equal(count(BOOK_END), 1);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_UNKNOWN); // over
}

static void test_a_lease_of_documents_ends_with_the_last_of_them(void **state)
{
    (void)state;
    join(0, 100, 7);
    place(feed(1, 0, 3));
    receive_all(&nth(BOOK_ISSUE, 0)->lease);
    const struct order_fate fates[] = {{0, 0}, {1, LEASE_END_NONFINITE}, {2, LEASE_END_NONFINITE}};
    assert_int_equal(lease_book_commit(book, 1, 8, fates, 2, &err), 0);
    look();
    assert_int_equal(count(BOOK_END), 0);
    assert_int_equal(lease_book_commit(book, 1, 9, fates + 2, 1, &err), 0);
    look();
    assert_int_equal(nth(BOOK_END, 0)->end_type, JOURNAL_TRAINED); // a part of it was
}

static void test_a_fault_is_tried_again_then_fails_the_order(void **state)
{
    (void)state;
    join(0, 2, 7);
    place(generate(1, 0, 1));
    struct lease l = nth(BOOK_ISSUE, 0)->lease;
    lease_book_fault(book, now_ms, l.id, 0, false, "scorer error: gone");
    look();
    assert_int_equal(nth(BOOK_END, 0)->end_type, JOURNAL_RETURNED);
    assert_int_equal(nth(BOOK_END, 0)->end.reason, LEASE_END_SCORER_FAULT);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_OPEN);
    credit(0, 2, 7);
    l = nth(BOOK_ISSUE, 0)->lease;
    lease_book_fault(book, now_ms, l.id, 0, false, "scorer error: gone");
    look();
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_FAILED);
    assert_non_null(strstr(err.text, "scorer error: gone"));
    credit(0, 2, 7);
    assert_int_equal(count(BOOK_ISSUE), 0);
}

static void test_a_lasting_fault_is_not_tried_again(void **state)
{
    (void)state;
    join(0, 2, 7);
    place(generate(1, 0, 1));
    lease_book_fault(book, now_ms, nth(BOOK_ISSUE, 0)->lease.id, 0, true, "prompt too long");
    look();
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_FAILED);
}

static void test_a_fault_voids_the_prompt_where_the_recipe_says_so(void **state)
{
    (void)state;
    struct lease_book_config config = plain;
    config.void_on_fault = true;
    config.fault_retries = 0;
    restart(&config);
    join(0, 100, 7);
    place(generate(1, 0, 2));
    const struct lease a = nth(BOOK_ISSUE, 0)->lease, b = nth(BOOK_ISSUE, 1)->lease;
    lease_book_fault(book, now_ms, a.id, 0, false, "scorer timeout");
    look();
    assert_non_null(strstr(nth(BOOK_NOTE, 0)->text, "determinism: void("));
    assert_int_equal(nth(BOOK_END, 0)->end_type, JOURNAL_DROPPED);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_OPEN);
    receive_all(&b);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_COMPLETE);
    assert_true(lease_book_order_lease(book, 1, 0) == 0);
    assert_true(lease_book_order_lease(book, 1, 1) == b.id);
    const struct order_fate fate = {1, 0};
    assert_int_equal(lease_book_commit(book, 1, 1, &fate, 1, &err), 0);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_UNKNOWN);
}

static void test_one_bad_document_costs_only_itself(void **state)
{
    (void)state;
    struct lease_book_config config = plain;
    config.void_on_fault = true;
    restart(&config);
    join(0, 100, 7);
    place(feed(1, 0, 4));
    lease_book_fault(book, now_ms, nth(BOOK_ISSUE, 0)->lease.id, 1, true, "bad data");
    look();
    assert_int_equal(nth(BOOK_END, 0)->end_type, JOURNAL_RETURNED);
    assert_int_equal(count(BOOK_ISSUE), 2); // 0 alone, then 2 and 3
    assert_int_equal(nth(BOOK_ISSUE, 0)->lease.n_prompts, 1);
    assert_true(nth(BOOK_ISSUE, 1)->lease.prompt_first == 2);
    assert_int_equal(nth(BOOK_ISSUE, 1)->lease.n_prompts, 2);
}

static void test_everything_open_is_cancelled_at_the_end(void **state)
{
    (void)state;
    join(0, 4, 7);
    place(generate(1, 0, 3));
    receive_all(&nth(BOOK_ISSUE, 0)->lease);
    look();
    lease_book_cancel_all(book);
    look();
    assert_int_equal(count(BOOK_END), 2);
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(nth(BOOK_END, i)->end.reason, LEASE_END_CANCELLED);
    assert_int_equal(lease_book_order_state(book, 1, &err), ORDER_UNKNOWN);
}

// --- a new life -------------------------------------------------------------------------

static struct lease held(uint64_t id, uint64_t prompt)
{
    const struct order o = generate(3, 0, 1);
    return (struct lease){.id = id,
                          .n_parts = 1,
                          .kind = o.kind,
                          .step = 3,
                          .prompt_first = prompt,
                          .n_prompts = 1,
                          .n_samples = o.n_samples,
                          .weights_version = 7,
                          .temperature = 1.0f,
                          .top_p = 1.0f,
                          .max_new_tokens = 8};
}

static void test_a_repeated_order_is_served_from_the_journal(void **state)
{
    (void)state;
    lease_book_destroy(book);
    book = lease_book_create(&plain, 100);
    const struct lease one = held(50, 1), other = held(51, 9);
    lease_book_hold(book, &one);
    lease_book_hold(book, &other);
    join(0, 100, 7);
    place(generate(3, 0, 3));
    assert_int_equal(count(BOOK_END), 1); // prompt 9 is not in it
    assert_true(nth(BOOK_END, 0)->end.lease == 51);
    assert_int_equal(nth(BOOK_END, 0)->end.reason, LEASE_END_RESTART);
    assert_int_equal(count(BOOK_ISSUE), 2); // prompts 0 and 2
    assert_true(nth(BOOK_ISSUE, 0)->lease.id == 100);
    assert_true(lease_book_order_lease(book, 3, 1) == 50);
    uint64_t samples, wanted;
    lease_book_oldest(book, &samples, &wanted);
    assert_true(samples == 2 && wanted == 6);
}

static void test_an_order_that_differs_is_not(void **state)
{
    (void)state;
    for (int what = 0; what < 5; what++) {
        restart(&plain);
        const struct lease lease = held(50, 1);
        lease_book_hold(book, &lease);
        struct order o = generate(what == 4 ? 4 : 3, 0, 3);
        o.seed += what == 0;
        o.weights_version += what == 1;
        o.n_samples += what == 2;
        o.temperature = what == 3 ? 0.5f : o.temperature;
        place(o); // a later order number says that the lease's own will not come
        assert_int_equal(count(BOOK_END), 1);
        assert_int_equal(nth(BOOK_END, 0)->end.reason, LEASE_END_RESTART);
    }
}

static void test_an_order_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    const struct order good = generate(5, 0, 2);
    place(good);
    struct order bad[9];
    for (size_t i = 0; i < 9; i++) {
        bad[i] = good;
        bad[i].number = 6;
    }
    bad[0].number = 5; // the same again
    bad[1].number = 4;
    bad[2].kind = LEASE_SCORE;
    bad[3].n_prompts = 0;
    bad[4].n_samples = GROUP_SAMPLES_MAX + 1;
    bad[5].temperature = -1.0f;
    bad[6].top_p = 2.0f;
    bad[7].max_new_tokens = SAMPLE_TOKENS_MAX + 1;
    bad[8].kind = LEASE_FEED; // of two samples
    for (size_t i = 0; i < 9; i++) {
        err.code = ERR_NONE;
        assert_int_equal(lease_book_order(book, now_ms, &bad[i], &err), -1);
        assert_int_equal(err.code, ERR_USAGE);
    }
    look();
    assert_int_equal(n_done, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_leases_go_out_in_order_of_order_and_prompt),
        TEST(test_two_peers_share_the_work),
        TEST(test_nobody_gets_more_than_the_credit),
        TEST(test_a_group_larger_than_the_credit_goes_to_an_idle_peer_alone),
        TEST(test_only_the_right_weights_get_generation),
        TEST(test_documents_need_no_weights_and_go_several_at_a_time),
        TEST(test_a_full_actor_gets_nothing),
        TEST(test_ids_are_reserved_before_they_are_used),
        TEST(test_a_lease_under_way_counts_against_the_credit),
        TEST(test_a_silent_peer_loses_its_leases_to_another_in_time),
        TEST(test_a_connection_that_is_gone_loses_its_leases_at_once),
        TEST(test_time_in_which_nobody_listened_counts_against_nobody),
        TEST(test_what_is_leased_anew_goes_before_later_prompts),
        TEST(test_a_lease_of_somebody_else_cannot_be_given_back),
        TEST(test_a_peer_that_speaks_and_does_nothing_is_hung),
        TEST(test_a_lease_that_never_arrived_is_leased_anew),
        TEST(test_an_actor_on_a_new_connection_keeps_its_leases),
        TEST(test_progress_on_a_lease_that_is_over_is_told),
        TEST(test_a_commit_settles_each_prompt_once_or_changes_nothing),
        TEST(test_a_lease_of_documents_ends_with_the_last_of_them),
        TEST(test_a_fault_is_tried_again_then_fails_the_order),
        TEST(test_a_lasting_fault_is_not_tried_again),
        TEST(test_a_fault_voids_the_prompt_where_the_recipe_says_so),
        TEST(test_one_bad_document_costs_only_itself),
        TEST(test_everything_open_is_cancelled_at_the_end),
        TEST(test_a_repeated_order_is_served_from_the_journal),
        TEST(test_an_order_that_differs_is_not),
        TEST(test_an_order_that_makes_no_sense_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
