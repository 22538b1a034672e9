-- Notes by which folds the live generation is made. Parameter folds: their version.
update {control}.generation set folds = %(folds)s
