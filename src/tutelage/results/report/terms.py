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
    "loss": "What training minimizes: the supervised loss plus the weighted loss on the unlabeled data.",
    "unlabeled_loss": "The part of the loss that comes from the unlabeled data, weighted.",
    "supervised": "The loss on the labeled data: how far the predictions are from the labels.",
    "label_loss": "The loss on the labeled data: how far the predictions are from the labels.",
    "unsupervised": "The loss on the unlabeled data, before weighting: how far the predictions are from targets "
    "that the method makes itself.",
    "consistency": "How far apart two predictions for the same unlabeled data are, before weighting.",
    "consistency_weight": "What the consistency loss is multiplied by; it rises during the ramp-up.",
    "unlabeled_weight": "What the loss on the unlabeled data is multiplied by; it rises during the ramp-up.",
    "unsupervised_weight": "What the loss on the unlabeled data is multiplied by; it rises during the ramp-up.",
    "entropy": "How uncertain the predictions on unlabeled data are: 0 if one class is certain.",
    "entropy_weight": "What the entropy is multiplied by in the loss; it rises during the ramp-up.",
    "threshold": "The confidence that a pseudo-label needs, on average over the classes.",
    "mask_rate": "The share of the unlabeled data whose predictions are certain enough to learn from.",
    "agreement": "How often two networks predict the same class.",
    "confidence_mean": "Moving average of the confidence on unlabeled images. Images below it count less.",
    "confidence_std": "Moving standard deviation of that confidence. It starts at 1 and takes some steps to settle.",
    "fairness": "A term that keeps the predicted classes as frequent as they should be.",
    "rotation": "The loss for predicting by how much an unlabeled image was rotated.",
    "strong": "The loss for predicting the pseudo-label of an image from a strongly augmented view of it.",
    "ramp": "The share of their full weights that the unlabeled terms have at that step.",
    "logit_distance": "How far apart the two outputs of the network are.",
    "sntg": "How far apart images of the same class are, and how close images of different classes are.",
    "reconstruction": "How far reconstructed images are from the originals.",
    "intermediate": "The reconstruction error of the layers in between.",
    "alignment": "How far apart two views of the same image are; smaller is better.",
    "uniformity": "How evenly the features fill their space; smaller is better.",
    "effective_rank": "The number of directions in which the features vary.",
    "feature_spread": "How much the features vary; 0 if they are the same for all images.",
    "positives_first": "How often the other view of an image is nearer to it than every image in the queue.",
    "queue_age": "Steps since the oldest features in the queue were computed.",
}
