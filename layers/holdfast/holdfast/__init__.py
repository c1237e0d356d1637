"""Holdfast: preserve contact-centre recordings for legal matters.

Move the data first. Hold it second. Prove it third. Never mix the three.
"""
