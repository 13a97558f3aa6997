/*
 * fuzz_grader.c - any grader, given any answer, reference and metadata, gives a
 * grade within its bounds or a reason, and the same one again.
 *
 * The input is three parts with a byte 1 between: metadata, reference, answer.
 * Whatever metadata and reference are, a second go has ones that are good.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "actor/grading/grader.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes);

static struct view next_part(struct view *rest)
{
    const char *end = rest->size_bytes == 0 ? NULL : memchr(rest->bytes, 1, rest->size_bytes);
    size_t size_bytes = end == NULL ? rest->size_bytes : (size_t)(end - rest->bytes);
    struct view part = text_part(*rest, 0, size_bytes);
    *rest = text_part(*rest, size_bytes + (end != NULL), rest->size_bytes);
    return part;
}

static void judge(const struct grader *grader, const struct grading *g)
{
    struct grade first, again;
    struct err err = {0};
    int result = grader_judge(grader, g, &first, &err);
    if (result != 0) {
        CHECK(err.code != ERR_NONE && err.text[0] != '\0');
        return;
    }
    CHECK(first.value >= 0 && first.value <= 1 && (!first.is_correct || first.value == 1));
    CHECK((first.hash == 0) == (g->answer.size_bytes == 0));
    CHECK(grader_judge(grader, g, &again, &err) == 0);
    CHECK(again.value == first.value && again.hash == first.hash &&
          again.is_correct == first.is_correct);
}

// A reference and metadata that every grader can use.
static void judge_well(const struct grader *grader, struct view answer)
{
    static const char metadata[] =
        "{\"numbers\":[1,2,3],\"target\":9,\"names\":[\"Al\",\"Al Bo\",\"\xc3\x89va\"],"
        "\"solution\":[true,false,true],\"choices\":[\"x\",\"y\",\"2 \xc3\x97 3\"],"
        "\"factors\":[2,3]}";
    const struct grading g = {.response = answer,
                              .answer = answer,
                              .gold = {"2 \xc3\x97 3", 6},
                              .metadata = {metadata, sizeof metadata - 1}};
    judge(grader, &g);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size_bytes)
{
    struct view rest = {size_bytes == 0 ? "" : (const char *)bytes, size_bytes};
    struct grading g = {0};
    g.metadata = next_part(&rest);
    g.gold = next_part(&rest);
    g.answer = g.response = rest;
    for (size_t i = 0; i < n_graders; i++) {
        judge(graders[i], &g);
        judge_well(graders[i], g.answer);
    }
    return 0;
}
