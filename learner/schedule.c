#include "learner/schedule.h"

#define PI 3.14159265358979323846

// cos on [0, pi] by its series around pi/2, where it is an odd function: the C
// library's differs between machines in the last bit, and weights must not.
static double cosine(double x)
{
    double y = PI / 2 - x, square = y * y, term = y, sum = y;

    for (int k = 1; k < 14; k++) {
        term *= -square / (double)((2 * k) * (2 * k + 1));
        sum += term;
    }
    return sum;
}

// How far the decay is, 0 to 1, when it spans [start, total_steps).
static double decayed(const struct schedule *s, double start, uint64_t step)
{
    double span = (double)s->total_steps - start;
    double done = (double)step - start;

    if (done <= 0 || span <= 0) return done > 0 ? 1.0 : 0.0;
    return done < span ? done / span : 1.0;
}

double schedule_lr(const struct schedule *s, uint64_t step)
{
    double floor_lr = s->lr * s->min_lr_ratio;

    if (step < s->warmup_steps) return s->lr * (double)(step + 1) / (double)s->warmup_steps;
    switch (s->kind) {
    case SCHEDULE_CONSTANT:
        break;
    case SCHEDULE_COSINE: {
        double part = decayed(s, (double)s->warmup_steps, step);

        return floor_lr + (s->lr - floor_lr) * 0.5 * (1.0 + cosine(PI * part));
    }
    case SCHEDULE_WSD: {
        double part = decayed(s, s->decay_start * (double)s->total_steps, step);

        return s->lr + (floor_lr - s->lr) * part;
    }
    }
    return s->lr;
}
