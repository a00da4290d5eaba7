"""Learns from reviews whether a review is a good one: TF-IDF, then logistic regression."""

import time

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

cold = True

GOOD = ("great", "lovely", "solid", "fresh", "quick")
BAD = ("broken", "slow", "stale", "dull", "noisy")
PLAIN = ("the", "box", "arrived", "today", "with", "paper", "and", "string", "from", "town")


def make_reviews(count, seed):
    """Reviews of twelve words; three of them tell, mostly rightly, what the reviewer thought."""
    state = seed & 0x7FFFFFFF

    def draw(n):
        nonlocal state
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        return (state >> 16) % n

    reviews, labels = [], []
    for i in range(count):
        label = i % 2
        words = [PLAIN[draw(len(PLAIN))] for _ in range(9)]
        for _ in range(3):
            honest = draw(5) > 0
            telling = GOOD if honest == (label == 1) else BAD
            words.append(telling[draw(5)])
        reviews.append(" ".join(words))
        labels.append(label)
    return reviews, labels


def main(args):
    global cold
    was_cold, cold = cold, False
    reviews, labels = make_reviews(int(args.get("reviews", 2_000)), int(args.get("seed", 1)))
    cut = len(reviews) * 4 // 5
    start = time.time()
    vectorizer = TfidfVectorizer()
    features = vectorizer.fit_transform(reviews[:cut])
    model = LogisticRegression(tol=1e-8, max_iter=1_000).fit(features, labels[:cut])
    accuracy = model.score(vectorizer.transform(reviews[cut:]), labels[cut:])
    end = time.time()
    names = vectorizer.get_feature_names_out()
    return {
        "body": {
            "trained_on": cut,
            "accuracy": float(accuracy),
            "intercept": float(model.intercept_[0]),
            "coefficients": {str(name): float(value) for name, value in zip(names, model.coef_[0])},
            "cold": was_cold,
            "start": start,
            "end": end,
            "latency": end - start,
        }
    }
