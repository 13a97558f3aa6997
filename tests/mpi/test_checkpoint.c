// cmocka.h needs these four before it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "learner/checkpoint_manifest.h"
#include "learner/comm.h"
#include "learner/shard.h"
#include "tests/support/rank_tests.h"

#define PATH_BYTES 4096
#define SMALL ((size_t)24)                // one block: all ranks but one have an empty shard
#define LARGE (2 * SHARD_BLOCK + 1000)    // three blocks
#define FILE_BYTES_MAX ((size_t)16 << 20) // of a checkpoint of these tests

// --- a folder for checkpoints, and a state that can be told from any other ----------------------

static char folder[PATH_BYTES]; // of the test under way, the same on every rank

static int new_folder(void **state)
{
    (void)state;
    if (comm_rank() == 0) {
        const char *root = getenv("TMPDIR");

        snprintf(folder, sizeof folder, "%s/argosy-checkpoint-XXXXXX", root ? root : "/tmp");
        if (mkdtemp(folder) == NULL) return -1;
    }
    comm_broadcast(folder, sizeof folder);
    return 0;
}

// Nobody removes what another still reads.
static void meet(void)
{
    char all[64];

    assert_true(comm_size() <= (int)sizeof all);
    comm_gather_all("", 1, all);
}

static int remove_folder(void **state)
{
    struct err err;

    (void)state;
    meet();
    return comm_rank() == 0 ? file_remove_tree(folder, &err) : 0;
}

static float value_of(uint64_t step, int array, size_t i)
{
    return (float)(i % 100003) + 0.25f * (float)array + 1000000.0f * (float)step;
}

static uint16_t word_of(uint64_t step, int array, size_t i)
{
    return (uint16_t)(i * 7 + (size_t)array * 1000 + step * 11);
}

struct whole {
    struct adamw_state adam;
    struct checkpoint_state state;
};

// Of a rank among n_ranks, all zero.
static void whole_init(struct whole *w, size_t n, int rank, int n_ranks)
{
    struct shard_map map;

    shard_map_init(&map, n, n_ranks);
    adamw_state_init(&w->adam, map.first[rank], map.first[rank + 1] - map.first[rank]);
    shard_map_fini(&map);
    w->state = (struct checkpoint_state){.n_elements = n, .adam = &w->adam};
    w->state.reference = calloc(n, sizeof(uint16_t));
    w->state.previous = comm_rank() == 0 ? calloc(n, sizeof(uint16_t)) : NULL;
    assert_non_null(w->state.reference);
}

static void whole_fini(struct whole *w)
{
    adamw_state_fini(&w->adam);
    free(w->state.reference);
    free(w->state.previous);
}

static void whole_fill(struct whole *w, uint64_t step)
{
    for (size_t i = 0; i < w->adam.count; i++) {
        w->adam.masters[i] = value_of(step, 0, w->adam.first + i);
        w->adam.m[i] = value_of(step, 1, w->adam.first + i);
        w->adam.v[i] = value_of(step, 2, w->adam.first + i);
    }
    for (size_t i = 0; i < w->state.n_elements; i++) {
        w->state.reference[i] = word_of(step, 0, i);
        if (w->state.previous) w->state.previous[i] = word_of(step, 1, i);
    }
}

static void assert_filled(const struct whole *w, uint64_t step)
{
    for (size_t i = 0; i < w->adam.count; i++) {
        if (w->adam.masters[i] != value_of(step, 0, w->adam.first + i) ||
            w->adam.m[i] != value_of(step, 1, w->adam.first + i) ||
            w->adam.v[i] != value_of(step, 2, w->adam.first + i)) {
            fail_msg("element %zu is not step %" PRIu64 "'s", w->adam.first + i, step);
        }
    }
    for (size_t i = 0; i < w->state.n_elements; i++) {
        assert_int_equal(w->state.reference[i], word_of(step, 0, i));
        if (w->state.previous) assert_int_equal(w->state.previous[i], word_of(step, 1, i));
    }
}

static struct checkpoint_meta meta_of(uint64_t step)
{
    struct checkpoint_meta meta;

    memset(&meta, 0, sizeof meta); // its padding is compared
    meta.run = INT64_MAX;
    meta.step = step;
    meta.n_updates = 10 * step + 1;
    meta.weights_version = step + 1;
    meta.next_order = 2 * step + 2;
    meta.prompt_cursor = 8 * step;
    meta.seed = (UINT64_C(1) << 53) - 1;
    meta.n_nonfinite = 3;
    meta.seconds = 1.0 / 3.0 + (double)step;
    meta.max_abs_diff = 1e-300;
    meta.recipe = hash_of(&step, sizeof step);
    return meta;
}

static int save_keeping(size_t n, uint64_t step, uint64_t keep, struct err *err)
{
    const struct checkpoint_meta meta = meta_of(step);
    struct whole w;
    int status;

    whole_init(&w, n, comm_rank(), comm_size());
    whole_fill(&w, step);
    status = checkpoint_save(folder, &w.state, &meta, keep, err);
    whole_fini(&w);
    return status;
}

static void save(size_t n, uint64_t step)
{
    struct err err;

    if (save_keeping(n, step, 100, &err) != 0) fail_msg("%s", err.text);
}

// What a load as one of n_ranks finds must be step's, whole; 0: nothing is found.
static void assert_loads(size_t n, uint64_t step, int n_ranks)
{
    struct checkpoint_meta meta;
    const struct checkpoint_meta want = meta_of(step);
    struct whole w;
    struct err err;
    bool found;

    memset(&meta, 0, sizeof meta);
    whole_init(&w, n, comm_rank() % n_ranks, n_ranks);
    if (checkpoint_load(folder, &w.state, &meta, &found, &err) != 0) fail_msg("%s", err.text);
    assert_int_equal(found, step > 0);
    if (found) {
        assert_memory_equal(&meta, &want, sizeof meta);
        assert_filled(&w, step);
    }
    whole_fini(&w);
}

static void assert_load_fails(size_t n, enum err_code code, const char *words)
{
    struct checkpoint_meta meta;
    struct whole w;
    struct err err;
    bool found;

    whole_init(&w, n, comm_rank(), comm_size());
    assert_int_equal(checkpoint_load(folder, &w.state, &meta, &found, &err), -1);
    if (err.code != code || strstr(err.text, words) == NULL) {
        fail_msg("want code %d and \"%s\", got %d: %s", code, words, err.code, err.text);
    }
    for (size_t i = 0; i < w.adam.count; i++)
        assert_true(w.adam.masters[i] == 0); // nothing is half loaded
    whole_fini(&w);
}

static void path_in(char *out, uint64_t step, const char *name)
{
    snprintf(out, PATH_BYTES, "%s/global_step_%" PRIu64 "%s%s", folder, step, *name ? "/" : "",
             name);
}

static bool has_step(uint64_t step)
{
    char path[PATH_BYTES];

    path_in(path, step, "");
    return file_exists(path);
}

static bool has_temporary(uint64_t step)
{
    char path[PATH_BYTES];

    path_in(path, step, "");
    strncat(path, ".tmp", sizeof path - strlen(path) - 1);
    return file_exists(path);
}

// --- loading what was saved
// ------------------------------------------------------------------------

static void a_state_loads_on_any_number_of_ranks(void **state)
{
    (void)state;
    save(SMALL, 3);
    for (int n_ranks = 1; n_ranks <= 5; n_ranks++)
        assert_loads(SMALL, 3, n_ranks);
    save(LARGE, 4);
    for (int n_ranks = 1; n_ranks <= 5; n_ranks++)
        assert_loads(LARGE, 4, n_ranks);
}

static void the_newest_is_loaded_and_the_hint_names_it(void **state)
{
    char path[PATH_BYTES], *bytes;
    size_t size_bytes;
    struct err err;

    (void)state;
    save(SMALL, 9);
    save(SMALL, 10); // the larger number, not the larger name
    assert_loads(SMALL, 10, 1);
    snprintf(path, sizeof path, "%s/latest_checkpointed_iteration.txt", folder);
    assert_int_equal(file_read(path, 64, &bytes, &size_bytes, &err), 0);
    assert_string_equal(bytes, "10\n");
    free(bytes);
}

static void nothing_is_found_where_nothing_was_saved(void **state)
{
    char path[PATH_BYTES];
    struct err err;

    (void)state;
    assert_loads(SMALL, 0, 1);
    // A folder that a save was cut short in does not count, whatever it holds.
    save(SMALL, 1);
    meet();
    if (comm_rank() == 0) {
        char cut[PATH_BYTES];

        path_in(path, 1, "");
        path_in(cut, 2, "");
        strncat(cut, ".tmp", sizeof cut - strlen(cut) - 1);
        assert_int_equal(rename(path, cut), 0);
    }
    meet();
    assert_loads(SMALL, 0, 1);
    meet();
    if (comm_rank() == 0) assert_int_equal(file_remove_tree(folder, &err), 0);
    meet();
    assert_loads(SMALL, 0, 1); // not even the folder
}

static void a_model_of_another_size_is_refused(void **state)
{
    (void)state;
    save(SMALL, 1);
    assert_load_fails(SMALL + 1, ERR_MISMATCH, "24 parameters, the model has 25");
}

static void blocks_that_the_stage_needs_must_be_there(void **state)
{
    const struct checkpoint_meta meta = meta_of(1);
    struct checkpoint_state partial;
    struct whole w;
    struct err err;

    (void)state;
    whole_init(&w, SMALL, comm_rank(), comm_size());
    whole_fill(&w, 1);
    partial = w.state;
    partial.reference = NULL;
    assert_int_equal(checkpoint_save(folder, &partial, &meta, 5, &err), 0);
    assert_load_fails(SMALL, ERR_MISMATCH, "no reference.bf16");
    partial = w.state;
    partial.previous = NULL;
    assert_int_equal(checkpoint_save(folder, &partial, &meta, 5, &err), 0);
    assert_load_fails(SMALL, ERR_MISMATCH, "no previous.bf16");
    whole_fini(&w);
}

// --- damage
// ----------------------------------------------------------------------------------------

static void replace(const char *path, const char *bytes, size_t size_bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size_bytes, file), size_bytes);
    assert_int_equal(fclose(file), 0);
}

// The files of a checkpoint as this many ranks write it.
static size_t file_names(char names[][CHECKPOINT_NAME_BYTES])
{
    size_t n = 0;

    for (int r = 0; r < comm_size(); r++)
        snprintf(names[n++], CHECKPOINT_NAME_BYTES, "shard-%04d.bin", r);
    snprintf(names[n++], CHECKPOINT_NAME_BYTES, "reference.bf16");
    snprintf(names[n++], CHECKPOINT_NAME_BYTES, "previous.bf16");
    snprintf(names[n++], CHECKPOINT_NAME_BYTES, "MANIFEST.json");
    return n;
}

// Changes bytes of one file one after the other; each load must see it and take
// the older checkpoint.
static void change_bytes(const char *name, size_t stride)
{
    char path[PATH_BYTES], *bytes = NULL;
    uint64_t size_bytes = 0;
    struct err err;

    path_in(path, 2, name);
    if (comm_rank() == 0) {
        size_t size;

        assert_int_equal(file_read(path, FILE_BYTES_MAX, &bytes, &size, &err), 0);
        size_bytes = size;
    }
    comm_broadcast(&size_bytes, sizeof size_bytes);
    assert_true(size_bytes >= 48);
    for (size_t at = 0; at < size_bytes; at += stride) {
        // One bit or another, and the case of a letter.
        for (int flip = 0; flip < 2; flip++) {
            if (comm_rank() == 0) {
                const char kept = bytes[at];

                bytes[at] = (char)(kept ^ (flip ? 0x20 : 1 << (at % 8)));
                replace(path, bytes, size_bytes);
                bytes[at] = kept;
            }
            assert_loads(SMALL, 1, 1);
            meet();
        }
    }
    if (comm_rank() == 0) replace(path, bytes, size_bytes);
    free(bytes);
    assert_loads(SMALL, 2, 1);
    meet();
}

static void any_changed_byte_is_noticed_and_the_older_one_used(void **state)
{
    char names[16][CHECKPOINT_NAME_BYTES];
    // Every byte on one rank; some on more, which wait for each other each time.
    const size_t n = file_names(names), stride = comm_size() == 1 ? 1 : 47;

    (void)state;
    save(SMALL, 1);
    save(SMALL, 2);
    for (size_t i = 0; i < n; i++)
        change_bytes(names[i], stride);
}

static void cut_grown_and_missing_files_are_noticed(void **state)
{
    char names[16][CHECKPOINT_NAME_BYTES];
    const size_t n = file_names(names);

    (void)state;
    save(SMALL, 1);
    for (size_t i = 0; i < n; i++) {
        char path[PATH_BYTES];

        path_in(path, 2, names[i]);
        for (int damage = 0; damage < 4; damage++) {
            save(SMALL, 2);
            meet();
            if (comm_rank() == 0) {
                char *bytes;
                size_t size;
                struct err err;

                assert_int_equal(file_read(path, FILE_BYTES_MAX, &bytes, &size, &err), 0);
                if (damage == 0) replace(path, bytes, size - 1);
                if (damage == 1) replace(path, bytes, 0);
                if (damage == 2) replace(path, bytes, size + 1); // and the 0 after it
                if (damage == 3) assert_int_equal(remove(path), 0);
                free(bytes);
            }
            meet();
            assert_loads(SMALL, 1, 1);
            meet();
        }
    }
}

static void when_all_are_damaged_somebody_has_to_look(void **state)
{
    char path[PATH_BYTES];

    (void)state;
    for (uint64_t step = 1; step <= 2; step++) {
        save(SMALL, step);
        meet();
        path_in(path, step, "MANIFEST.json");
        if (comm_rank() == 0) replace(path, "{}", 2);
        meet();
    }
    assert_load_fails(SMALL, ERR_FORMAT, "none of 2 checkpoints");
}

// A manifest that says something wrong under a right seal.
typedef void (*lie_fn)(struct manifest_of_checkpoint *m);

static void list_a_shard_twice(struct manifest_of_checkpoint *m)
{
    m->files[m->n_files++] = *checkpoint_manifest_find(m, "shard-0000.bin");
    m->files[m->n_files - 1].count = SMALL;
    m->files[m->n_files - 1].first = 0;
}
static void list_a_stranger(struct manifest_of_checkpoint *m)
{
    m->files[m->n_files] = *checkpoint_manifest_find(m, "reference.bf16");
    snprintf(m->files[m->n_files++].name, CHECKPOINT_NAME_BYTES, "stranger.bf16");
}
static void list_a_file_outside(struct manifest_of_checkpoint *m)
{
    snprintf(m->files[m->n_files - 1].name, CHECKPOINT_NAME_BYTES, "../latest");
}
static void list_no_file(struct manifest_of_checkpoint *m)
{
    m->n_files = 0;
}
static void forget_the_shards(struct manifest_of_checkpoint *m)
{
    m->files[0] = m->files[m->n_files - 1];
    m->n_files = 1;
}
static void leave_a_gap(struct manifest_of_checkpoint *m)
{
    m->files[comm_size() - 1].first += 1;
}
static void end_too_late(struct manifest_of_checkpoint *m)
{
    m->files[comm_size() - 1].count += 1;
}
static void count_beyond_all_numbers(struct manifest_of_checkpoint *m)
{
    m->files[comm_size() - 1].count += UINT64_C(1) << 62; // times 12 it is as before
}
static void be_of_another_step(struct manifest_of_checkpoint *m)
{
    m->meta.step = 3;
}

static void a_sealed_manifest_that_lies_is_not_believed(void **state)
{
    static const lie_fn lies[] = {list_a_shard_twice, list_a_stranger,    list_a_file_outside,
                                  list_no_file,       forget_the_shards,  leave_a_gap,
                                  end_too_late,       be_of_another_step, count_beyond_all_numbers};
    char path[PATH_BYTES], stranger[PATH_BYTES];
    struct manifest_of_checkpoint *m = calloc(1, sizeof *m);

    (void)state;
    assert_non_null(m);
    path_in(path, 2, "");
    path_in(stranger, 2, "stranger.bf16");
    save(SMALL, 1);
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        save(SMALL, 2);
        meet();
        if (comm_rank() == 0) {
            struct err err;
            char reference[PATH_BYTES];

            path_in(reference, 2, "reference.bf16");
            assert_int_equal(file_copy(reference, stranger, &err), 0);
            assert_int_equal(checkpoint_manifest_read(path, m, &err), 0);
            lies[i](m);
            assert_int_equal(checkpoint_manifest_write(path, m, &err), 0);
        }
        meet();
        assert_loads(SMALL, 1, 1);
        meet();
    }
    free(m);
}

// --- saving
// ----------------------------------------------------------------------------------------

// No file of this rank may grow beyond so many bytes, as on a full disk.
static int save_within(uint64_t step, rlim_t limit_bytes, struct err *err)
{
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    struct rlimit old, limit;
    int status;

    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    limit = old;
    limit.rlim_cur = limit_bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    status = save_keeping(SMALL, step, 1, err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, handler);
    return status;
}

static void a_full_disk_leaves_the_old_one_and_nothing_else(void **state)
{
    // Not even a head; the shard, not the manifest.
    static const rlim_t limits[] = {8, 600};

    (void)state;
    save(SMALL, 1);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        struct err err;

        assert_int_equal(save_within(2, limits[i], &err), -1);
        assert_int_equal(err.code, ERR_IO);
        assert_non_null(strstr(err.text, "checkpoint of step 2"));
        assert_non_null(strstr(err.text, i == 0 ? "shard-0000.bin" : "MANIFEST"));
        meet();
        assert_false(has_step(2) || has_temporary(2));
        assert_loads(SMALL, 1, comm_size());
    }
}

static void one_rank_that_cannot_write_fails_all(void **state)
{
    const bool is_last = comm_rank() == comm_size() - 1;
    struct err err;
    int status;

    (void)state;
    save(SMALL, 1);
    status = is_last ? save_within(2, 8, &err) : save_keeping(SMALL, 2, 1, &err);
    assert_int_equal(status, -1);
    assert_non_null(strstr(err.text, comm_size() > 1 ? "rank " : "shard-0000.bin"));
    meet();
    assert_false(has_step(2) || has_temporary(2));
    assert_loads(SMALL, 1, comm_size());
}

static void only_the_newest_are_kept(void **state)
{
    struct err err;

    (void)state;
    for (uint64_t step = 7; step <= 12; step++)
        assert_int_equal(save_keeping(SMALL, step, 2, &err), 0);
    meet();
    assert_false(has_step(10));
    assert_true(has_step(11) && has_step(12));
    assert_loads(SMALL, 12, 1);
}

static void a_damaged_later_one_does_not_push_out_a_new_one(void **state)
{
    char path[PATH_BYTES];
    struct err err;

    (void)state;
    save(SMALL, 4);
    save(SMALL, 8);
    meet();
    path_in(path, 8, "reference.bf16");
    if (comm_rank() == 0) replace(path, "", 0);
    meet();
    assert_loads(SMALL, 4, 1);
    assert_int_equal(save_keeping(SMALL, 6, 1, &err), 0);
    assert_loads(SMALL, 6, 1);
    meet();
    assert_false(has_step(4) || has_step(8));
}

static void what_a_cut_save_left_is_cleared_away(void **state)
{
    char path[PATH_BYTES];
    struct err err;

    (void)state;
    path_in(path, 5, "");
    strncat(path, ".tmp/shard-0000.bin", sizeof path - strlen(path) - 1);
    if (comm_rank() == 0) assert_int_equal(file_make_folders(path, &err), 0);
    meet();
    assert_true(has_temporary(5));
    meet();
    save(SMALL, 6);
    meet();
    assert_false(has_temporary(5) || has_temporary(6));
    assert_loads(SMALL, 6, 1);
}

static void a_save_into_what_is_no_folder_says_so(void **state)
{
    char kept[PATH_BYTES];
    struct err err;

    (void)state;
    memcpy(kept, folder, sizeof kept);
    strncat(folder, "/file/checkpoints", sizeof folder - strlen(folder) - 1);
    if (comm_rank() == 0) {
        char path[PATH_BYTES];

        assert_int_equal(file_join(path, sizeof path, kept, "file", &err), 0);
        replace(path, "", 0);
    }
    meet();
    assert_int_equal(save_keeping(SMALL, 1, 1, &err), -1);
    assert_int_equal(err.code, ERR_IO);
    assert_non_null(strstr(err.text, "/file"));
    memcpy(folder, kept, sizeof folder);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, new_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_state_loads_on_any_number_of_ranks),
        IN_A_FOLDER(the_newest_is_loaded_and_the_hint_names_it),
        IN_A_FOLDER(nothing_is_found_where_nothing_was_saved),
        IN_A_FOLDER(a_model_of_another_size_is_refused),
        IN_A_FOLDER(blocks_that_the_stage_needs_must_be_there),
        IN_A_FOLDER(any_changed_byte_is_noticed_and_the_older_one_used),
        IN_A_FOLDER(cut_grown_and_missing_files_are_noticed),
        IN_A_FOLDER(when_all_are_damaged_somebody_has_to_look),
        IN_A_FOLDER(a_sealed_manifest_that_lies_is_not_believed),
        IN_A_FOLDER(a_full_disk_leaves_the_old_one_and_nothing_else),
        IN_A_FOLDER(one_rank_that_cannot_write_fails_all),
        IN_A_FOLDER(only_the_newest_are_kept),
        IN_A_FOLDER(a_damaged_later_one_does_not_push_out_a_new_one),
        IN_A_FOLDER(what_a_cut_save_left_is_cleared_away),
        IN_A_FOLDER(a_save_into_what_is_no_folder_says_so),
    };

    return rank_tests_run(tests, sizeof tests / sizeof *tests);
}
