"""Labelled images: fields that leave the labels valid."""
