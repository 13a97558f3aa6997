#include "actor/tokenizer/bpe.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/err.h"

#define SCAN_IDS_MAX 40u // longer pieces go to the heap
#define NO_NODE UINT32_MAX

void bpe_init(struct bpe *b, uint32_t n_rules_max)
{
    *b = (struct bpe){.n_slots = 16};
    while (b->n_slots < n_rules_max + n_rules_max / 2)
        b->n_slots *= 2;
    b->slots = malloc(b->n_slots * sizeof *b->slots);
    CHECK(b->slots != NULL);
    for (uint32_t i = 0; i < b->n_slots; i++)
        b->slots[i] = (struct bpe_rule){.rank = BPE_NO_RANK};
}

void bpe_fini(struct bpe *b)
{
    free(b->slots);
    *b = (struct bpe){0};
}

static uint64_t pair_of(uint32_t left, uint32_t right)
{
    return ((uint64_t)left << 32) | right;
}

static struct bpe_rule *bpe_slot(const struct bpe *b, uint64_t pair)
{
    uint32_t mask = b->n_slots - 1;
    uint32_t slot = (uint32_t)((pair * 0x9e3779b97f4a7c15u) >> 32) & mask;
    while (b->slots[slot].rank != BPE_NO_RANK && b->slots[slot].pair != pair)
        slot = (slot + 1) & mask;
    return &b->slots[slot];
}

void bpe_add(struct bpe *b, uint32_t left, uint32_t right, uint32_t rank, uint32_t merged)
{
    CHECK(b->n_rules + 1 < b->n_slots);
    struct bpe_rule *slot = bpe_slot(b, pair_of(left, right));
    if (slot->rank != BPE_NO_RANK) return;
    *slot = (struct bpe_rule){pair_of(left, right), rank, merged};
    b->n_rules++;
}

void bpe_scratch_init(struct bpe_scratch *s)
{
    *s = (struct bpe_scratch){0};
}

void bpe_scratch_fini(struct bpe_scratch *s)
{
    free(s->memory);
    *s = (struct bpe_scratch){0};
}

static void *bpe_scratch_room(struct bpe_scratch *s, size_t size_bytes)
{
    if (size_bytes > s->size_bytes) {
        free(s->memory);
        s->memory = malloc(size_bytes);
        CHECK(s->memory != NULL);
        s->size_bytes = size_bytes;
    }
    return s->memory;
}

// --- short pieces --------------------------------------------------------------------------------

static uint32_t merge_by_scan(const struct bpe *b, uint32_t *ids, uint32_t n)
{
    struct bpe_rule rules[SCAN_IDS_MAX]; // of each id and the one after it
    for (uint32_t i = 0; i + 1 < n; i++)
        rules[i] = *bpe_slot(b, pair_of(ids[i], ids[i + 1]));
    while (n > 1) {
        uint32_t best = 0;
        for (uint32_t i = 1; i + 1 < n; i++)
            if (rules[i].rank < rules[best].rank) best = i;
        if (rules[best].rank == BPE_NO_RANK) break;
        ids[best] = rules[best].merged;
        memmove(ids + best + 1, ids + best + 2, (n - best - 2) * sizeof *ids);
        memmove(rules + best, rules + best + 1, (n - best - 2) * sizeof *rules);
        n--;
        if (best > 0) rules[best - 1] = *bpe_slot(b, pair_of(ids[best - 1], ids[best]));
        if (best + 1 < n) rules[best] = *bpe_slot(b, pair_of(ids[best], ids[best + 1]));
    }
    return n;
}

// --- long pieces ---------------------------------------------------------------------------------

struct node { // an id and its living neighbours
    uint32_t id, previous, next;
};

struct candidate { // a merge that was possible when it was pushed
    uint32_t rank, node;
    uint64_t pair;
    uint32_t merged;
};

struct heap {
    struct candidate *items;
    size_t count;
};

// Of equal ranks the leftmost goes first.
static bool goes_before(const struct candidate *a, const struct candidate *b)
{
    return a->rank != b->rank ? a->rank < b->rank : a->node < b->node;
}

static void heap_push(struct heap *h, struct candidate item)
{
    size_t at = h->count++;
    while (at > 0 && goes_before(&item, &h->items[(at - 1) / 2])) {
        h->items[at] = h->items[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    h->items[at] = item;
}

static struct candidate heap_pop(struct heap *h)
{
    struct candidate top = h->items[0];
    struct candidate last = h->items[--h->count];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count) break;
        if (child + 1 < h->count && goes_before(&h->items[child + 1], &h->items[child])) child++;
        if (!goes_before(&h->items[child], &last)) break;
        h->items[at] = h->items[child];
        at = child;
    }
    h->items[at] = last;
    return top;
}

static void push_pair(const struct bpe *b, struct heap *h, const struct node *nodes, uint32_t left)
{
    uint32_t right = nodes[left].next;
    if (right == NO_NODE) return;
    uint64_t pair = pair_of(nodes[left].id, nodes[right].id);
    const struct bpe_rule *rule = bpe_slot(b, pair);
    if (rule->rank == BPE_NO_RANK) return;
    heap_push(h, (struct candidate){rule->rank, left, pair, rule->merged});
}

static uint32_t merge_by_heap(const struct bpe *b, struct bpe_scratch *s, uint32_t *ids, uint32_t n)
{
    // Each merge removes a node and pushes at most two candidates: under 3n in all.
    size_t nodes_bytes = ((size_t)n * sizeof(struct node) + 15) & ~(size_t)15;
    unsigned char *memory =
        bpe_scratch_room(s, nodes_bytes + 3 * (size_t)n * sizeof(struct candidate));
    struct node *nodes = (struct node *)(void *)memory;
    struct heap heap = {(struct candidate *)(void *)(memory + nodes_bytes), 0};
    for (uint32_t i = 0; i < n; i++)
        nodes[i] = (struct node){ids[i], i == 0 ? NO_NODE : i - 1, i + 1 == n ? NO_NODE : i + 1};
    for (uint32_t i = 0; i < n; i++)
        push_pair(b, &heap, nodes, i);

    const uint32_t dead = UINT32_MAX; // no id is that large
    while (heap.count > 0) {
        struct candidate best = heap_pop(&heap);
        struct node *left = &nodes[best.node];
        if (left->id == dead || left->next == NO_NODE) continue;
        struct node *right = &nodes[left->next];
        if (pair_of(left->id, right->id) != best.pair) continue;
        left->id = best.merged;
        right->id = dead;
        left->next = right->next;
        if (left->next != NO_NODE) nodes[left->next].previous = best.node;
        if (left->previous != NO_NODE) push_pair(b, &heap, nodes, left->previous);
        push_pair(b, &heap, nodes, best.node);
    }
    uint32_t n_left = 0;
    for (uint32_t i = 0; i != NO_NODE; i = nodes[i].next)
        ids[n_left++] = nodes[i].id;
    return n_left;
}

uint32_t bpe_merge(const struct bpe *b, struct bpe_scratch *s, uint32_t *ids, uint32_t n)
{
    if (n < 2) return n;
    if (n <= SCAN_IDS_MAX) return merge_by_scan(b, ids, n);
    return merge_by_heap(b, s, ids, n);
}
