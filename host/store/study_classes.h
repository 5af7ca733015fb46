/* What a study's best network took the images of the test set for, as the texts that
 * study_attributes.h keeps.  For study_attributes.c alone. */
#ifndef GSOS_STUDY_CLASSES_H
#define GSOS_STUDY_CLASSES_H

#include "host/base/class_counts.h"

/* gsos:confusion and gsos:mistakes; malloc'ed, NULL without memory. */
char *study_confusion_json(const struct class_counts *c, int trial);
char *study_mistakes_json(const struct class_counts *c, int trial);

#endif
