"""What the words of a report mean, said where they stand."""

from __future__ import annotations

STUDENT = "the network that the optimizer trains"
TEACHER = "an average of the student's weights over the last steps"
NETWORKS = {"student": STUDENT, "teacher": TEACHER}
SUPERVISED = "the same network and labels, without the unlabeled images"
ECE = "ECE: mean gap between confidence and accuracy, in 15 bins of confidence"
NLL = "mean of -log of the probability of the true class; 0 is perfect"

# captions of the curves of logged values, by their names
LOGGED = {
    "loss": "What training makes small: the supervised loss, and that of the unlabeled data times its weight.",
    "unlabeled_loss": "What the unlabeled data add to the loss, weighted.",
    "supervised": "The loss on the labeled data: how far the predictions are from the labels.",
    "label_loss": "The loss on the labeled data: how far the predictions are from the labels.",
    "unsupervised": "The loss on the unlabeled data, before it is weighted: how far the predictions are from targets "
    "that the method makes itself.",
    "consistency": "How far two predictions for the same unlabeled data are apart, before that is weighted.",
    "consistency_weight": "What the consistency loss is multiplied by; it rises during the ramp-up.",
    "unlabeled_weight": "What the loss on the unlabeled data is multiplied by; it rises during the ramp-up.",
    "unsupervised_weight": "What the loss on the unlabeled data is multiplied by; it rises during the ramp-up.",
    "entropy": "How undecided the predictions on unlabeled data are: 0 if one class is certain.",
    "entropy_weight": "What the entropy is multiplied by in the loss; it rises during the ramp-up.",
    "threshold": "The confidence that a pseudo-label needs, on average over the classes.",
    "mask_rate": "The share of the unlabeled data that is certain enough to learn from.",
    "agreement": "How often two networks predict the same.",
    "confidence_mean": "Moving average of the confidence on unlabeled images. Those below it count less.",
    "confidence_std": "Moving standard deviation of that confidence. It starts at 1 and takes some steps to settle.",
    "fairness": "A term that keeps the predicted classes as frequent as they should be.",
    "rotation": "The loss of telling by how much an unlabeled image was rotated.",
    "strong": "The loss of predicting the pseudo-label of an image from a strongly augmented view of it.",
    "ramp": "The share of their weights that the unlabeled terms have at that step.",
    "logit_distance": "How far the two outputs of the network are apart.",
    "sntg": "How far images that should be neighbors are apart, and how near others are.",
    "reconstruction": "How far images that are put together again are from the originals.",
    "intermediate": "The same for the layers in between.",
    "alignment": "How far two views of the same image are apart; smaller is better.",
    "uniformity": "How evenly the features fill their space; smaller is better.",
    "effective_rank": "The number of directions in which the features vary.",
    "feature_spread": "How much the features vary; 0 if they are the same for all images.",
    "positives_first": "How often the other view of an image is the one that is found to be the nearest.",
    "queue_age": "Steps since the oldest features in the queue were computed.",
}
