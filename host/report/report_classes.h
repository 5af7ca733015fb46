/* What the best network of a study takes the images of the test set for: accuracy by class, the
 * confusion matrix, the surest mistakes.  Counted when the network saw the test set (contract 5)
 * and kept in the database; of a study that an earlier version made, or of another objective,
 * nothing is known, and nothing is shown. */
#ifndef GSOS_REPORT_CLASSES_H
#define GSOS_REPORT_CLASSES_H

#include <stdio.h>

#include "host/report/report.h"

/* Where the pictures of a study's mistakes lie: in the output folder, in a folder
 * mistakes/STRATEGY-ROUND, under the trial's number and the image's in the test set. */
#define REPORT_MISTAKES_FOLDER "mistakes"
#define REPORT_MISTAKE_FILE "trial-%d-image-%d.png"

/* Does the database know it of any study? */
bool report_has_classes(const struct report *r);

/* Of the best network of all by validation, if it is known: which that is, how often it is right,
 * also among the most probable classes (top-k), each class, the worst alone where there are many,
 * and the confusion matrix or, of many classes, what is most often taken for what; an empty line.
 * At most 80 columns. */
void report_print_classes(FILE *out, const struct report *r);

/* Of all studies of which it is known, as CSV: study, strategy, round, trial, true, said, count; a
 * row for each class and what its images were taken for, without those of no image. */
void report_print_confusion_csv(FILE *out, const struct report *r);

#endif
